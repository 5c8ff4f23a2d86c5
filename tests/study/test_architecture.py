"""The sizes that the question posted, and arithmetic against the network itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import POSTED, SMALL, cubes, make_network

from widthwise.model.initialisation import count_parameters
from widthwise.study.architecture import (
    layers_of,
    output_voxels,
    parameter_count,
    stages_of_depth,
    training_flops,
)


@pytest.mark.parametrize(
    ("width", "parameters"),
    [(2, 15_708), (3, 35_144), (5, 97_182), (8, 248_154), (14, 758_592), (26, 2_613_444)],
)
def test_parameters_of_the_posted_network(width, parameters):
    assert parameter_count(replace(POSTED.network, width=width), cubes()) == parameters
    assert count_parameters(make_network(POSTED.network, width=width)) == parameters


def test_parameters_follow_the_closed_formula():
    # 3x3x3 kernels: 1 -> w once, w -> w 5 times, w -> 2w once, 2w -> 2w 4 times, 2w -> 4w once, 4w -> 4w 7 times;
    # a scale and a shift for each of 6w + 10w + 32w filters; a head of 4w x 2 weights and 2 biases.
    for width in range(1, 40):
        kernels = 27 * (width + (5 + 2 + 16 + 8 + 112) * width**2)
        expected = kernels + 2 * 48 * width + 8 * width + 2
        assert parameter_count(replace(POSTED.network, width=width), cubes()) == expected


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("normalisation", ["batch", "none"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_arithmetic_agrees_with_the_network(normalisation, kernel_size, classes):
    settings = replace(SMALL.network, width=3, normalisation=normalisation, kernel_size=kernel_size)
    network = make_network(settings, task=cubes(classes))
    assert count_parameters(network) == parameter_count(settings, cubes(classes))
    kernels = [block.convolution.weight for block in network.blocks] + [network.head.weight]
    layers = layers_of(settings, cubes(classes))
    assert [kernel.numel() for kernel in kernels] == [layer.weights for layer in layers]
    assert [kernel[0].numel() for kernel in kernels] == [layer.fan_in for layer in layers]
    assert [kernel[:, 0].numel() for kernel in kernels] == [layer.fan_out for layer in layers]


@pytest.mark.parametrize("side", [5, 8, 25])
def test_outputs_have_the_voxels_of_the_networks(side):
    # 25, 13, 7, 4: each stage halves the side, rounding up.
    halves = [side, -(-side // 2), -(-side // 4), -(-side // 8)]
    expected = [halves[stage] ** 3 for stage, count in enumerate((2, 4, 5, 8)) for _ in range(count)]
    assert output_voxels(layers_of(POSTED.network, cubes()), [side] * 3) == [*expected, 1]


@pytest.mark.parametrize(
    ("depth", "stages"),
    [
        (8, (1, 1, 2, 3)),
        (14, (1, 3, 3, 6)),
        (20, (2, 4, 5, 8)),
        (32, (3, 7, 8, 13)),
        (56, (6, 12, 14, 23)),
        (5, (1, 1, 1, 1)),
    ],
)
def test_depth_grows_with_stages_in_proportion(depth, stages):
    assert stages_of_depth(depth, (2, 4, 5, 8)) == stages


@given(stages=st.lists(st.integers(1, 9), min_size=1, max_size=5), more=st.integers(0, 60))
def test_any_depth_from_one_convolution_a_stage_on_is_kept(stages, more):
    depth = len(stages) + 1 + more
    counts = stages_of_depth(depth, stages)
    assert (sum(counts) + 1, len(counts)) == (depth, len(stages))
    assert min(counts) >= 1
    assert stages_of_depth(sum(stages) + 1, stages) == tuple(stages)


def test_a_depth_of_less_than_one_convolution_a_stage_is_refused():
    with pytest.raises(ValueError, match=r"depth 4: at least 5 are needed for 4 stages"):
        stages_of_depth(4, (2, 4, 5, 8))


def test_operations_of_a_step():
    # A 5^3 cube, a convolution of 1 to 2 filters, one of 2 to 4 at half the side (3), a head of 4 x 2: forward is
    # two operations for each weight and output voxel, a step three times that.
    layers = layers_of(SMALL.network, cubes())
    assert training_flops(layers, [5, 5, 5]) == 3 * 2 * (27 * 2 * 125 + 27 * 8 * 27 + 8)


def test_about_twenty_weight_layers():
    assert POSTED.network.depth == len(layers_of(POSTED.network, cubes())) == 20
