"""Initial weights: what a seed decides, which weights are kernels, and the penalty that each scheme starts with."""

import pytest
import torch
from settings import POSTED, SMALL, make_network
from torch import nn

from widthwise.model.initialisation import kernel_modules, kernels
from widthwise.training.objective import Penalty

# Variance of a squared entry, in units of the entry's variance squared: 4/5 for a uniform, 2 for a normal.
SPREAD = {"glorot": 0.8, "default": 0.8, "he": 2.0, "fixed_std": 2.0}
VARIANCE = {
    "glorot": lambda layer: 2 / (layer.fan_in + layer.fan_out),
    "default": lambda layer: 1 / (3 * layer.fan_in),
    "he": lambda layer: 2 / layer.fan_in,
    "fixed_std": lambda layer: 0.05**2,
}


@pytest.mark.parametrize("scheme", SPREAD)
@pytest.mark.parametrize("width", [2, 8])
def test_each_layer_has_the_sum_of_squares_of_its_scheme(scheme, width):
    network = make_network(POSTED.network, width=width, initialisation=scheme)
    for layer, kernel in zip(network.layers, kernels(network), strict=True):
        variance = VARIANCE[scheme](layer)
        expected = layer.weights * variance
        spread = (layer.weights * SPREAD[scheme]) ** 0.5 * variance
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
    layer = make_network(POSTED.network, width=5).layers[1]
    assert (layer.inputs, layer.outputs) == (5, 5)
    assert layer.weights * VARIANCE[scheme](layer) == pytest.approx(per_convolution(5))


def test_penalty_of_the_widest_network_under_a_fixed_standard_deviation():
    network = make_network(POSTED.network, width=26, initialisation="fixed_std")
    penalty = Penalty(kernels(network), l2=1e-4)
    expected = 1e-4 * 0.05**2 * sum(layer.weights for layer in network.layers)
    assert expected == pytest.approx(0.65, abs=0.005)
    assert penalty.l2 * penalty.sum_of_squares() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("scheme", SPREAD)
def test_biases_are_zero_unless_torchs_default_draws_them(scheme):
    network = make_network(POSTED.network, initialisation=scheme, normalisation="none")
    biases = torch.cat([network.head.bias, *(block.convolution.bias for block in network.blocks)])
    assert bool((biases != 0).all()) if scheme == "default" else not biases.any()
    # As torch draws it: uniform within 1 / root of fan-in, kernel and bias alike.
    for module, layer in zip(kernel_modules(network), network.layers, strict=True):
        if scheme == "default":
            assert max(module.weight.abs().max(), module.bias.abs().max()) <= layer.fan_in**-0.5


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match=r"initialisation 'orthogonal': allowed are glorot, he, default, fixed_std"):
        make_network(initialisation="orthogonal")


def test_a_seed_decides_the_weights():
    first, again, other = (make_network(seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(kernels(first), kernels(other), strict=True))


def test_torchs_own_generator_decides_nothing_and_is_left_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = make_network(initialisation="default", normalisation="none", head_initialisation="unit")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    second = make_network(initialisation="default", normalisation="none", head_initialisation="unit")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_kernels_are_the_weights_of_convolutions_and_of_the_head(normalisation):
    network = make_network(POSTED.network, normalisation=normalisation)
    covered = {id(kernel) for kernel in kernels(network)}
    named = {name for name, parameter in network.named_parameters() if id(parameter) in covered}
    assert named == {f"blocks.{i}.convolution.weight" for i in range(19)} | {"head.weight"}


@pytest.mark.parametrize("convolution", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
def test_kernels_of_any_module_are_found(convolution):
    module = nn.Sequential(convolution(1, 2, 3), nn.PReLU(), nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)))
    assert [id(kernel) for kernel in kernels(module)] == [id(module[0].weight), id(module[2][0].weight)]


def test_a_head_can_start_at_zero_or_with_unit_variance():
    images = torch.randn(2, 1, 5, 5, 5)
    zero, unit, others = (
        make_network(POSTED.network, width=26, head_initialisation=head) for head in ("zero", "unit", "as_kernels")
    )
    assert not zero(images).any()
    assert unit.head.weight.std().item() == pytest.approx(1, abs=0.15)
    assert others.head.weight.std().item() < 0.3
    backbones = [kernels(network)[:-1] for network in (zero, unit, others)]
    assert all(torch.equal(a, b) and torch.equal(b, c) for a, b, c in zip(*backbones, strict=True))


def test_a_zero_head_has_no_bias_under_any_scheme():
    for scheme in SPREAD:
        network = make_network(SMALL.network, initialisation=scheme, head_initialisation="zero")
        assert not network.head.weight.any()
        assert not network.head.bias.any()
