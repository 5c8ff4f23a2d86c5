"""Measures a network on batches without changing it: its buffers and the random state are put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from widthwise.training.seeding import random_state, set_random_state


@contextmanager
def unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Lets a network compute without gradients; restores its buffers, its mode and the random state."""
    buffers = [buffer.clone() for buffer in network.buffers()]
    training, state = network.training, random_state(device)
    with torch.inference_mode():
        yield
        for buffer, saved in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(saved)
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
