"""A network that is ready to train: its weights do not depend on layout, device or what was built before."""

import torch
from settings import POSTED, cubes, make_network

from widthwise.model.build import build_network, to_fast_layout
from widthwise.model.initialisation import initialise, kernels
from widthwise.model.network import Network
from widthwise.model.parametrisation import kernel_variances
from widthwise.training.seeding import Stream, torch_generator

LAYOUT = torch.channels_last_3d


def test_kernels_lie_in_the_layout_that_is_fast_on_the_cpu():
    convolutions = kernels(make_network(POSTED.network, width=3))[:-1]
    assert all(kernel.is_contiguous(memory_format=LAYOUT) for kernel in convolutions)


def test_the_passes_are_drawing_multiplying_and_laying_out():
    built = make_network(POSTED.network, seed=5)
    plain = Network(POSTED.network, cubes())
    generator = torch_generator(5, Stream.INITIALISATION)
    initialise(plain, POSTED.network, kernel_variances(POSTED.network, cubes()), generator)
    assert all(torch.equal(a, b) for a, b in zip(built.parameters(), plain.parameters(), strict=True))
    images = torch.randn(2, 1, 9, 9, 9)
    torch.testing.assert_close(built(images), plain(images))
    torch.testing.assert_close(to_fast_layout(plain, cubes(), torch.device("cpu"))(images), built(images))


def test_a_generator_goes_on_from_network_to_network():
    generator = torch_generator(0, Stream.INITIALISATION)
    first, second = (build_network(POSTED.network, cubes(), generator) for _ in range(2))
    assert torch.equal(kernels(first)[0], kernels(make_network(POSTED.network))[0])
    assert not torch.equal(kernels(first)[0], kernels(second)[0])
