"""The training loop that one writes first, for ours to be compared with.

Torch's own layers in their default layout, a DataLoader, autograd through the whole objective, Adam as it comes. It
computes what `training` computes as posted, up to rounding. It must not be made faster.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from widthwise.model.network import Network
from widthwise.training.objective import data_loss


def textbook_network(network: Network) -> Network:
    """A copy, with the same weights, in torch's own layers and layout."""
    copied = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for block in copied.blocks:
        block.activation = nn.LeakyReLU(block.activation.negative_slope)
        ours = block.normalisation
        if isinstance(ours, nn.BatchNorm3d):
            block.normalisation = nn.BatchNorm3d(ours.num_features, eps=ours.eps, momentum=ours.momentum)
            block.normalisation.load_state_dict(ours.state_dict())
    return copied


def textbook_steps(
    network: Network, images: Tensor, labels: Tensor, orders: Sequence[Tensor], training: Mapping[str, Any]
) -> Iterator[float]:
    """Trains with Adam, the penalty in the loss: an epoch for each of the `orders` of the samples.

    Gives each mini-batch's data loss. `images` (n, 1, D, H, W), `labels` (n,), `training` resolved settings.
    """
    optimiser = torch.optim.Adam(
        network.parameters(), lr=training["learning_rate"], betas=tuple(training["betas"]), eps=training["epsilon"]
    )
    samples = TensorDataset(images, labels)
    network.train()
    for order in orders:
        for batch, batch_labels in DataLoader(samples, training["batch_size"], sampler=order.tolist(), drop_last=True):
            optimiser.zero_grad()
            loss = data_loss(network(batch), batch_labels)
            objective = loss + training["l2"] * sum(kernel.square().sum() for kernel in network.kernels)
            objective.backward()
            optimiser.step()
            yield loss.item()
