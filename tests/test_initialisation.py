"""The penalty at initialisation against its formula, layer by layer and in total."""

import pytest
import torch
from settings import make_network

from widthwise.model.initialisation import expected_sum_of_squares, variance
from widthwise.training.objective import Penalty

# Variance of a squared entry, in units of the entry's variance squared: 4/5 for a uniform, 2 for a normal.
SPREAD = {"glorot": 0.8, "default": 0.8, "he": 2.0, "fixed_std": 2.0}


@pytest.mark.parametrize("scheme", SPREAD)
@pytest.mark.parametrize("width", [2, 8])
def test_each_layer_has_the_sum_of_squares_of_its_scheme(scheme, width):
    network = make_network(width=width, initialisation=scheme)
    for layer, kernel in zip(network.layers, network.kernels, strict=True):
        entry_variance = variance(layer, scheme, initial_std=0.05)
        expected = layer.weights * entry_variance
        spread = (layer.weights * SPREAD[scheme]) ** 0.5 * entry_variance
        assert abs((kernel.double().square().sum().item() - expected) / spread) < 4, layer.name


@pytest.mark.parametrize(
    ("scheme", "per_convolution"),
    [
        ("glorot", lambda c: c),
        ("he", lambda c: 2 * c),
        ("default", lambda c: c / 3),
        ("fixed_std", lambda c: 27 * c**2 * 0.05**2),
    ],
)
def test_expected_sum_of_squares_of_a_convolution_from_c_to_c_filters(scheme, per_convolution):
    layer = make_network(width=5).layers[1]
    assert (layer.inputs, layer.outputs) == (5, 5)
    assert expected_sum_of_squares([layer], scheme, 0.05) == pytest.approx(per_convolution(5))


def test_penalty_of_the_widest_network_under_a_fixed_standard_deviation():
    network = make_network(width=26, initialisation="fixed_std")
    penalty = Penalty(network.kernels, l2=1e-4)
    expected = 1e-4 * expected_sum_of_squares(network.layers, "fixed_std", 0.05)
    assert expected == pytest.approx(0.65, abs=0.005)
    assert penalty.l2 * penalty.sum_of_squares() == pytest.approx(expected, rel=0.01)


def test_biases_are_zero_but_under_torchs_default():
    for scheme in SPREAD:
        network = make_network(initialisation=scheme, normalisation="none")
        biases = torch.cat([network.head.bias, *(block.convolution.bias for block in network.blocks)])
        assert bool((biases != 0).all()) if scheme == "default" else not biases.any()


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="allowed are glorot, he, default, fixed_std"):
        make_network(initialisation="orthogonal")
