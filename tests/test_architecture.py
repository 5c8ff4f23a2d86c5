"""The sizes that the question posted, and arithmetic against the network itself."""

import pytest
from settings import POSTED, SMALL, make_network

from widthwise.study.architecture import (
    depth,
    network_layers,
    parameter_count,
    stages_of_depth,
    training_flops,
)

SHAPE = {key: POSTED["network"][key] for key in ("stages", "multipliers", "kernel_size")}


@pytest.mark.parametrize(
    ("width", "parameters"),
    [(2, 15_708), (3, 35_144), (5, 97_182), (8, 248_154), (14, 758_592), (26, 2_613_444)],
)
def test_parameters_of_the_posted_network(width, parameters):
    assert parameter_count(width=width, normalisation="batch", classes=2, **SHAPE) == parameters
    assert make_network(width=width).parameter_count == parameters


def test_parameters_follow_the_closed_formula():
    # 3x3x3 kernels: 1 -> w once, w -> w 5 times, w -> 2w once, 2w -> 2w 4 times, 2w -> 4w once, 4w -> 4w 7 times;
    # a scale and a shift for each of 6w + 10w + 32w filters; a head of 4w x 2 weights and 2 biases.
    for width in range(1, 40):
        kernels = 27 * (width + (5 + 2 + 16 + 8 + 112) * width**2)
        assert (
            parameter_count(width=width, normalisation="batch", classes=2, **SHAPE)
            == kernels + 2 * 48 * width + 8 * width + 2
        )


@pytest.mark.parametrize("normalisation", ["batch", "none"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_arithmetic_agrees_with_the_network(normalisation, kernel_size):
    settings = SMALL | {"normalisation": normalisation, "kernel_size": kernel_size, "width": 3}
    assert make_network(**settings).parameter_count == parameter_count(classes=2, **settings)


@pytest.mark.parametrize(
    ("depth_asked", "stages"),
    [
        (8, [1, 1, 2, 3]),
        (14, [1, 3, 3, 6]),
        (20, [2, 4, 5, 8]),
        (32, [3, 7, 8, 13]),
        (56, [6, 12, 14, 23]),
        (5, [1, 1, 1, 1]),
    ],
)
def test_depth_grows_with_stages_in_proportion(depth_asked, stages):
    assert stages_of_depth(depth_asked, [2, 4, 5, 8]) == stages
    assert depth(stages) == depth_asked


def test_a_depth_of_less_than_a_convolution_a_stage_is_refused():
    with pytest.raises(ValueError, match="at least 5"):
        stages_of_depth(4, [2, 4, 5, 8])


def test_operations_of_a_step():
    # A 5^3 cube, a convolution of 1 to 2 filters, one of 2 to 4 at half the side (3), a head of 4 x 2: forward is
    # two operations for each weight and output voxel, a step three times that.
    layers = network_layers(width=2, stages=[1, 1], multipliers=[1, 2], kernel_size=3, classes=2)
    assert training_flops(layers, side=5) == 3 * 2 * (27 * 2 * 125 + 27 * 8 * 27 + 8)


def test_about_twenty_weight_layers():
    assert depth(POSTED["network"]["stages"]) == len(make_network().kernels) == 20
