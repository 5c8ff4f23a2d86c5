"""Random streams of a run, one for each purpose, so that the draws of one never shift those of another.

The data order is a function of seed and epoch alone: every width sees the same batches, and a run can start at any
epoch.
"""

from enum import IntEnum

import numpy
import torch


class Stream(IntEnum):
    """What a stream is for. The values are part of every result: never renumber them."""

    INITIALISATION = 0
    DATA_ORDER = 1
    DROPOUT = 2
    LABELS = 3


def torch_generator(seed: int, stream: Stream) -> torch.Generator:
    """A generator on the CPU: its draws do not depend on the device of the network."""
    state = numpy.random.SeedSequence([seed, stream]).generate_state(1, numpy.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def random_order(seed: int, stream: Stream, samples: int, epoch: int = 0) -> torch.Tensor:
    """A permutation of the samples, shape (samples,), int64; a new one for each epoch (from 0)."""
    return torch.from_numpy(numpy.random.default_rng([seed, stream, epoch]).permutation(samples))


def random_state(device: torch.device) -> torch.Tensor:
    """The state of torch's own generator on the device, as a tensor of bytes on the CPU."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_random_state(state: torch.Tensor, device: torch.device) -> None:
    """Puts torch's own generator on the device into that state."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
