"""The fixed set of training cubes on which every run of a study is measured.

Balanced, in fixed batches, with BatchNorm in train mode: at step 0 the running statistics are (0, 1), so eval
mode would measure another network than the one being trained, and would lag behind it for hundreds of steps.
Dropout is off. The loss is the one that is minimised, class weights included.
"""

from dataclasses import dataclass, replace

import numpy
import torch
from torch import Tensor, nn

from widthwise.training.objective import data_loss


def balanced_indices(labels: numpy.ndarray, size: int) -> numpy.ndarray:
    """The first `size` samples taken in turn from each class, so that every batch is balanced; shape (size,).

    `labels` has shape (n,). Raises ValueError where a class has too few samples.
    """
    classes = numpy.unique(labels)
    per_class = -(-size // len(classes))
    members = [numpy.flatnonzero(labels == label) for label in classes]
    for label, indices in zip(classes, members, strict=True):
        if len(indices) < per_class:
            raise ValueError(
                f"evaluation.probe_size: a balanced probe of {size} needs {per_class} training cubes of class "
                f"{label}, the dataset has {len(indices)}"
            )
    return numpy.stack([indices[:per_class] for indices in members], axis=1).ravel()[:size]


@dataclass(frozen=True)
class Probe:
    """Images (n, 1, D, H, W) float32 and labels (n,) int64, measured in batches of `batch_size`.

    Where n is no multiple of it, batches are larger and as even as can be: BatchNorm has no statistics of one cube.
    `class_weights` (classes,) are those of the data loss.
    """

    images: Tensor
    labels: Tensor
    batch_size: int
    class_weights: Tensor | None = None

    def first_batch(self) -> "Probe":
        """A probe of the first batch alone."""
        return replace(self, images=self.images[: self.batch_size], labels=self.labels[: self.batch_size])

    @torch.inference_mode()
    def measure(self, network: nn.Module) -> tuple[float, float]:
        """Mean data loss (nats) and accuracy of the network; its buffers are put back afterwards."""
        buffers = [buffer.clone() for buffer in network.buffers()]
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        loss, correct = 0.0, 0
        batches = max(1, len(self.labels) // self.batch_size)
        for images, labels in zip(self.images.tensor_split(batches), self.labels.tensor_split(batches), strict=True):
            logits = network(images)
            loss += data_loss(logits, labels, self.class_weights, reduction="sum").item()
            correct += int((logits.argmax(dim=1) == labels).sum())
        for buffer, saved in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(saved)
        weights = self.class_weights
        total = len(self.labels) if weights is None else weights[self.labels].sum().item()
        return loss / total, correct / len(self.labels)
