"""Builds a network that is ready to train: the plain module, then the passes over it."""

import torch

from widthwise.model.initialisation import initialise
from widthwise.model.network import Network
from widthwise.model.parametrisation import kernel_variances, scale_head_input
from widthwise.study.settings import NetworkSettings

CPU = torch.device("cpu")


def build_network(
    settings: NetworkSettings, classes: int, generator: torch.Generator, device: torch.device = CPU
) -> Network:
    """A network before any update: the same generator gives the same weights on every device."""
    network = Network(settings, classes)
    initialise(network, settings, kernel_variances(settings, classes), generator)
    scale_head_input(network.head, settings.width_ratio)
    return to_fast_layout(network, device)


def to_fast_layout(network: Network, device: torch.device) -> Network:
    """The network on the device, in the memory layout that is fast there.

    On the CPU that is NDHWC: its convolutions compute in it, 1.3 to 1.7 times as fast as in NCDHW.
    """
    layout = torch.contiguous_format if device.type == "cuda" else torch.channels_last_3d
    return network.to(device).to(memory_format=layout)
