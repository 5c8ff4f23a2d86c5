"""The objective in its two parts: objective = data loss + penalty.

They stay apart because the question turns on them: Keras' `l2` adds the penalty to the loss that it reports, torch's
`weight_decay` never shows it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def data_loss(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats of `logits` (B, classes) for `labels` (B,) int64.

    With `class_weights` (classes,) it is the mean weighted by each sample's class. Equal logits cost log(classes)
    either way.
    """
    return nn.functional.cross_entropy(logits, labels, class_weights)


class Penalty:
    """lambda times the sum of squared kernel entries, as in Keras' `regularizers.l2`: without a half."""

    def __init__(self, kernels: Sequence[nn.Parameter], l2: float) -> None:
        self.kernels = list(kernels)
        self.l2 = l2

    @torch.no_grad()
    def sum_of_squares(self) -> float:
        """Sum of squared kernel entries, in double precision."""
        return float(sum(kernel.double().square().sum() for kernel in self.kernels))

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Adds the penalty's gradient, 2 lambda w, to the data loss' gradient.

        Equal to differentiating the objective, without carrying every weight through the graph. A kernel that took no
        part in the step has this gradient alone.
        """
        if self.l2:
            for kernel in self.kernels:
                if kernel.grad is None:
                    kernel.grad = torch.zeros_like(kernel)
            gradients = [kernel.grad for kernel in self.kernels]
            torch._foreach_add_(gradients, self.kernels, alpha=2 * self.l2)
