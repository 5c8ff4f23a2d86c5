"""Measures a network on batches without changing it: its buffers and the random state are put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from widthwise.training.seeding import random_state, set_random_state


@contextmanager
def unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Lets a network compute without gradients; restores its buffers, its mode and the random state."""
    # With their places: a user's own network may put new tensors there.
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
    ]
    training, state = network.training, random_state(device)
    with torch.no_grad():  # inference mode would spoil what a user's own network keeps of its first pass
        yield
        for module, name, buffer, saved in buffers:
            if buffer is not None:
                buffer.copy_(saved)
            module._buffers[name] = buffer
    network.train(training)
    set_random_state(state, device)


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Computes in bfloat16 by autocast, on float32 weights, or in float32."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of the labels have the largest logit."""
    return (logits.argmax(dim=1) == labels).sum()
