"""Shapes, the order of a block, and what a seed decides."""

import pytest
import torch
from settings import SMALL, make_network


@pytest.mark.parametrize("side", [8, 25])
def test_shapes_from_cube_to_logits(side):
    assert make_network()(torch.zeros(3, 1, side, side, side)).shape == (3, 2)


def test_stages_halve_the_side_of_a_cube_of_25():
    images, sides = torch.zeros(1, 1, 25, 25, 25), []
    for block in make_network().features:
        images = block(images)
        sides.append(images.shape[-1])
    assert sides == [25] * 2 + [13] * 4 + [7] * 5 + [4] * 8


def test_every_convolution_is_normalised_and_activated_and_nothing_drops_out():
    names = [[type(module).__name__ for module in block] for block in make_network().features]
    assert names == [["Conv3d", "BatchNorm3d", "LeakyReLU"]] * 19


def test_without_normalisation_a_convolution_has_a_bias():
    block = make_network(normalisation="none", **SMALL).features[0]
    assert [type(module).__name__ for module in block] == ["Conv3d", "LeakyReLU"]
    assert block.convolution.bias is not None


def test_a_seed_decides_the_weights():
    first, again, other = (make_network(seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.kernels, other.kernels, strict=True))


def test_the_penalty_covers_kernels_only():
    network = make_network()
    covered = {id(kernel) for kernel in network.kernels}
    left_out = [name for name, parameter in network.named_parameters() if id(parameter) not in covered]
    assert all("normalisation" in name or name == "head.bias" for name in left_out)
