"""The training loop that one writes first, to compare ours with.

Torch's own layers in their default layout, a DataLoader, autograd through the whole objective, Adam with its defaults
of speed. For the posted settings it computes the same as `loop`, up to rounding. Keep it simple, not fast.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from widthwise.model.initialisation import kernels
from widthwise.model.network import Network
from widthwise.study.settings import TrainingSettings
from widthwise.training.objective import data_loss


def textbook_network(network: Network) -> Network:
    """A copy, with the same weights, in torch's own layers and layout."""
    copied = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for block in copied.blocks:
        block.activation = copy.deepcopy(block.activation)
        if hasattr(block.activation, "inplace"):
            block.activation.inplace = False
        ours = block.normalisation
        if isinstance(ours, nn.BatchNorm3d):
            block.normalisation = nn.BatchNorm3d(ours.num_features, eps=ours.eps, momentum=ours.momentum)
            block.normalisation.load_state_dict(ours.state_dict())
    return copied


def textbook_steps(
    network: Network, images: Tensor, labels: Tensor, orders: Sequence[Tensor], training: TrainingSettings
) -> Iterator[float]:
    """Trains with Adam and the penalty in the loss; gives each mini-batch's data loss.

    Args:
        images, labels: (n, 1, D, H, W) and (n,).
        orders: a permutation of the samples for each epoch.
    """
    optimiser = torch.optim.Adam(
        network.parameters(), lr=training.learning_rate, betas=training.betas, eps=training.epsilon
    )
    samples = TensorDataset(images, labels)
    network.train()
    for order in orders:
        for batch, batch_labels in DataLoader(samples, training.batch_size, sampler=order.tolist(), drop_last=True):
            optimiser.zero_grad()
            loss = data_loss(network(batch), batch_labels)
            objective = loss + training.l2 * sum(kernel.square().sum() for kernel in kernels(network))
            objective.backward()
            optimiser.step()
            yield loss.item()
