"""The training loop that one writes first, to compare ours with.

Torch's own layers in their default layout, a DataLoader, autograd through the whole objective, Adam with its defaults
of speed. For the posted settings it computes the same as `loop`, up to rounding. Keep it simple, not fast.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from widthwise.model.folding import Convolution
from widthwise.model.initialisation import kernels
from widthwise.model.network import Network
from widthwise.model.normalisation import BatchNorm
from widthwise.study.settings import TrainingSettings
from widthwise.training.objective import data_loss

TORCHS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def textbook_network(network: nn.Module) -> nn.Module:
    """A copy, with the same weights, in torch's own layers and layout; a user's own network is in them already."""
    copied = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for block in copied.blocks if isinstance(copied, Network) else ():
        block.activation = copy.deepcopy(block.activation)
        if hasattr(block.activation, "inplace"):
            block.activation.inplace = False
        if isinstance(block.convolution, Convolution):
            block.convolution.__class__ = nn.Conv3d
        ours = block.normalisation
        if isinstance(ours, BatchNorm):
            norm = TORCHS[block.convolution.weight.dim() - 2]
            block.normalisation = norm(ours.num_features, eps=ours.eps, momentum=ours.momentum)
            block.normalisation.load_state_dict(ours.state_dict())
    return copied


def textbook_optimiser(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """Adam as torch sets it up by itself."""
    return torch.optim.Adam(network.parameters(), lr=training.learning_rate, betas=training.betas, eps=training.epsilon)


def textbook_losses(network: nn.Module, images: Tensor, labels: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """The objective and the data loss of a mini-batch, both part of the graph."""
    loss = data_loss(network(images), labels)
    return loss + l2 * sum(kernel.square().sum() for kernel in kernels(network)), loss


def textbook_steps(
    network: nn.Module, images: Tensor, labels: Tensor, orders: Sequence[Tensor], training: TrainingSettings
) -> Iterator[float]:
    """Trains with Adam and the penalty in the loss; gives each mini-batch's data loss.

    Args:
        images, labels: (n, C, *spatial) and (n,).
        orders: a permutation of the samples for each epoch.
    """
    optimiser = textbook_optimiser(network, training)
    samples = TensorDataset(images, labels)
    network.train()
    for order in orders:
        for batch, batch_labels in DataLoader(samples, training.batch_size, sampler=order.tolist(), drop_last=True):
            optimiser.zero_grad()
            objective, loss = textbook_losses(network, batch, batch_labels, training.l2)
            objective.backward()
            optimiser.step()
            yield loss.item()
