"""Maximal update against the standard parametrisation: variances, the head's multiplier, rates, and the base width."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import POSTED, SMALL, cubes, make_network

from widthwise.model.initialisation import kernels
from widthwise.model.parametrisation import kernel_variances, rate_factors

SCHEMES = ["glorot", "he", "default", "fixed_std"]
HEADS = ["as_kernels", "zero", "unit"]
IMAGES = torch.linspace(-1, 1, 4 * 125).reshape(4, 1, 5, 5, 5)

# By hand, for convolutions of 1 -> w and w -> 2w filters and a head of 2w -> 2, with base width 2 and width 6.
AT_BASE = {
    "glorot": [2 / (27 * (1 + 2)), 2 / (27 * (2 + 4)), 2 / (4 + 2)],
    "he": [2 / 27, 2 / (27 * 2), 2 / 4],
    "default": [1 / (3 * 27), 1 / (3 * 27 * 2), 1 / (3 * 4)],
    "fixed_std": [0.05**2, 0.05**2, 0.05**2],
}
AT_SIX = {
    "glorot": [2 / (27 * (1 + 6)), 2 / (27 * (6 + 12)), 2 / (12 + 2)],
    "he": [2 / 27, 2 / (27 * 6), 2 / 12],
    "default": [1 / (3 * 27), 1 / (3 * 27 * 6), 1 / (3 * 12)],
    "fixed_std": [0.05**2, 0.05**2, 0.05**2],
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_variances_come_from_the_base_width_under_mup_alone(scheme):
    standard = replace(SMALL.network, width=6, base_width=2, initialisation=scheme)
    mup = replace(standard, parametrisation="mup")
    assert kernel_variances(standard, cubes()) == pytest.approx(AT_SIX[scheme])
    first, hidden, head = AT_BASE[scheme]
    assert kernel_variances(mup, cubes()) == pytest.approx([first, hidden * 2 / 6, head])
    assert kernel_variances(replace(mup, width=2), cubes()) == pytest.approx(AT_BASE[scheme])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_are_drawn_with_those_variances(scheme):
    mup = replace(POSTED.network, width=12, base_width=3, parametrisation="mup", initialisation=scheme)
    spread = 0.8 if scheme in ("glorot", "default") else 2
    for kernel, variance in zip(kernels(make_network(mup)), kernel_variances(mup, cubes()), strict=True):
        error = kernel.double().square().mean().item() / variance - 1
        assert abs(error) < 4 * (spread / kernel.numel()) ** 0.5


@settings(max_examples=40)
@given(
    width=st.integers(1, 6),
    scheme=st.sampled_from(SCHEMES),
    head=st.sampled_from(HEADS),
    normalisation=st.sampled_from(["batch", "none"]),
    optimiser=st.sampled_from(["adam", "sgd"]),
)
def test_at_the_base_width_mup_is_standard_to_the_bit(width, scheme, head, normalisation, optimiser):
    standard, mup = (
        make_network(
            width=width,
            base_width=width,
            parametrisation=parametrisation,
            initialisation=scheme,
            head_initialisation=head,
            normalisation=normalisation,
        )
        for parametrisation in ("standard", "mup")
    )
    assert all(torch.equal(a, b) for a, b in zip(standard.parameters(), mup.parameters(), strict=True))
    assert torch.equal(standard(IMAGES), mup(IMAGES))
    assert set(rate_factors(mup, optimiser, width_ratio=1.0).values()) == {1.0}


@settings(max_examples=40)
@given(
    width=st.integers(1, 40), base_width=st.integers(1, 40), scheme=st.sampled_from(SCHEMES), classes=st.integers(2, 9)
)
def test_under_mup_hidden_variances_shrink_with_width_and_others_stay(width, base_width, scheme, classes):
    mup = replace(POSTED.network, width=width, base_width=base_width, parametrisation="mup", initialisation=scheme)
    first, *hidden, head = kernel_variances(mup, cubes(classes))
    base_first, *base_hidden, base_head = kernel_variances(replace(mup, width=base_width), cubes(classes))
    assert (first, head) == (base_first, base_head)
    assert hidden == pytest.approx([variance * base_width / width for variance in base_hidden])


def test_the_base_width_means_nothing_under_the_standard_parametrisation():
    one, other = (make_network(width=6, base_width=base) for base in (2, 6))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(one(IMAGES), other(IMAGES))


@pytest.mark.parametrize(("width", "ratio"), [(6, 3), (2, 1), (1, 0.5)])
def test_the_heads_input_is_divided_by_the_width_ratio(width, ratio):
    standard, mup = (
        make_network(width=width, base_width=2, parametrisation=parametrisation, head_initialisation="unit")
        for parametrisation in ("standard", "mup")
    )
    mup.load_state_dict(standard.state_dict())
    assert standard(IMAGES).abs().max() > 0.1
    bias = standard.head.bias
    torch.testing.assert_close((standard(IMAGES) - bias) / ratio, mup(IMAGES) - bias)


def test_a_unit_head_has_variance_one_under_mup_too():
    mup = make_network(POSTED.network, width=26, parametrisation="mup", head_initialisation="unit")
    assert mup.head.weight.std().item() == pytest.approx(1, abs=0.15)


# Yang et al. 2022, Tensor Programs V, Table 8, with r = width / base width. With width the head grows on its input
# side, the first convolution, BatchNorm and convolutions' biases on their output side, the other convolutions on
# both. Under Adam the last learn at 1 / r; under SGD all but them, and but the head's biases, at r.
TABLE_8 = {
    "adam": {"first": 1, "vector": 1, "hidden": 1 / 3, "head.weight": 1, "head.bias": 1},
    "sgd": {"first": 3, "vector": 3, "hidden": 1, "head.weight": 3, "head.bias": 1},
}


def kind(name: str) -> str:
    if name in ("head.weight", "head.bias"):
        return name
    if name == "blocks.0.convolution.weight":
        return "first"
    return "hidden" if name.endswith("convolution.weight") else "vector"


@pytest.mark.parametrize("optimiser", TABLE_8)
@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_rates_under_mup_are_the_published_ones(optimiser, normalisation):
    network = make_network(POSTED.network, width=6, base_width=2, parametrisation="mup", normalisation=normalisation)
    factors = rate_factors(network, optimiser, width_ratio=3)
    assert factors.keys() == {name for name, _ in network.named_parameters()}
    assert factors == {name: pytest.approx(TABLE_8[optimiser][kind(name)]) for name in factors}
    assert set(rate_factors(network, optimiser, width_ratio=1).values()) == {1}
