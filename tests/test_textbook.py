"""Our training step against the loop that one writes first: the same losses, and less work."""

import numpy
import pytest
import torch
from settings import POSTED, log_of, make_network, make_training
from torch.utils._python_dispatch import TorchDispatchMode

from widthwise.model.normalisation import FEW_FILTERS, MANY_VOXELS
from widthwise.training.seeding import Stream, random_order
from widthwise.training.textbook import textbook_network, textbook_steps

SAMPLES, EPOCHS = 40, 10


def both(width):
    """Our training on cubes of 13 voxels a side, 5 steps an epoch, and the textbook's of the same network."""
    ours = make_training(
        width=width, samples=SAMPLES, side=13, network=make_network(width=width),
        batch_size=8, epochs=EPOCHS, evaluations_per_epoch=1,
    )  # fmt: skip
    orders = [random_order(0, Stream.DATA_ORDER, SAMPLES, epoch) for epoch in range(EPOCHS)]
    theirs = textbook_steps(textbook_network(ours.network), ours.images, ours.labels, orders, POSTED["training"])
    return ours, theirs


@pytest.mark.parametrize("width", [2, 8])
def test_losses_of_fifty_steps_are_the_textbooks_but_for_rounding(width):
    ours, theirs = both(width)
    logged = {measurement.step: measurement.running_data_loss for measurement in log_of(ours)}
    by_epoch = numpy.reshape(list(theirs), (EPOCHS, 5))
    assert set(range(5, 51, 5)) <= logged.keys()
    for step in logged.keys() - {0}:
        epoch, position = divmod(step - 1, 5)
        assert logged[step] == pytest.approx(by_epoch[epoch, : position + 1].mean(), rel=1e-4)


class Calls(TorchDispatchMode):
    """Every operation that is called, with its tensors."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.made.append((function, [value for value in args if isinstance(value, torch.Tensor)]))
        return function(*args, **(kwargs or {}))


def calls_of(step):
    step()  # the first makes the optimiser's state
    with Calls() as calls:
        step()
    return calls.made


@pytest.mark.parametrize("width", [2, 26])
def test_a_step_does_what_makes_it_fast(width):
    ours, theirs = both(width)
    calls, textbook = calls_of(ours.advance), calls_of(lambda: next(theirs))
    assert len(calls) < 0.6 * len(textbook)
    convolutions = [tensors for function, tensors in calls if "convolution" in function.__name__]
    assert len(convolutions) == 2 * 19
    for tensor in (tensor for tensors in convolutions for tensor in tensors if tensor.dim() == 5):
        assert tensor.is_contiguous(memory_format=torch.channels_last_3d)
    for function, tensors in calls:
        if "native_batch_norm" in function.__name__:
            filters = tensors[0].shape[1]
            assert filters >= FEW_FILTERS or tensors[0].numel() // filters < MANY_VOXELS
