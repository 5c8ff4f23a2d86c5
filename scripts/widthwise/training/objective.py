"""What the optimiser minimises, in its two parts: objective = data loss + penalty.

The parts stay apart because the question turns on them: Keras' `l2` adds the penalty to the loss that it
reports, torch's `weight_decay` never shows it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def data_loss(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy in nats a sample; `logits` (B, classes), `labels` (B,) int64.

    With `class_weights` (classes,) a weighted mean over the samples, by their labels: it stays log(classes) where
    the logits are all alike.
    """
    return nn.functional.cross_entropy(logits, labels, class_weights, reduction=reduction)


class Penalty:
    """lambda times the sum of squared kernel entries, as Keras' `regularizers.l2` has it: no half."""

    def __init__(self, kernels: Sequence[nn.Parameter], l2: float) -> None:
        self.kernels = list(kernels)
        self.l2 = l2

    @torch.no_grad()
    def sum_of_squares(self) -> float:
        """Sum of squared kernel entries, in double precision."""
        return float(sum(kernel.double().square().sum() for kernel in self.kernels))

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Adds the penalty's gradient, 2 lambda w, to that of the data loss.

        The same as differentiating the objective, without carrying every weight through the graph.
        """
        if self.l2:
            gradients = [kernel.grad for kernel in self.kernels]
            torch._foreach_add_(gradients, self.kernels, alpha=2 * self.l2)
