"""Shapes, the order of a block, and what a seed decides."""

import pytest
import torch
from settings import SMALL, make_network


@pytest.mark.parametrize("side", [8, 25])
def test_shapes_from_cube_to_logits(side):
    assert make_network()(torch.zeros(3, 1, side, side, side)).shape == (3, 2)


def test_stages_halve_the_side_of_a_cube_of_25():
    images, sides = torch.zeros(1, 1, 25, 25, 25), []
    for block in make_network().blocks:
        images = block(images)
        sides.append(images.shape[-1])
    assert sides == [25] * 2 + [13] * 4 + [7] * 5 + [4] * 8


def test_every_convolution_is_normalised_and_activated_and_nothing_drops_out():
    names = [[type(module).__name__ for module in block.children()] for block in make_network().blocks]
    assert names == [["Conv3d", "BatchNorm", "LeakyReLU"]] * 19


def test_without_normalisation_a_convolution_has_a_bias():
    block = make_network(normalisation="none", **SMALL).blocks[0]
    assert [type(module).__name__ for module in block.children()] == ["Conv3d", "Identity", "LeakyReLU"]
    assert block.convolution.bias is not None


@pytest.mark.parametrize(
    ("activation", "of_minus_one"), [("leaky_relu", -0.3), ("relu", 0), ("elu", -0.6321), ("gelu", -0.1587)]
)
def test_an_activation_is_the_one_that_is_named(activation, of_minus_one):
    activate = make_network(activation=activation, **SMALL).blocks[0].activation
    assert activate(torch.tensor([-1.0, 2.0])) == pytest.approx([of_minus_one, 2], abs=0.05)


def test_a_seed_decides_the_weights():
    first, again, other = (make_network(seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.kernels, other.kernels, strict=True))


def test_the_penalty_covers_kernels_only():
    network = make_network()
    covered = {id(kernel) for kernel in network.kernels}
    left_out = [name for name, parameter in network.named_parameters() if id(parameter) not in covered]
    assert all("normalisation" in name or name == "head.bias" for name in left_out)


def test_shortcuts_cost_no_parameters_and_pass_the_input_on():
    plain, residual = (make_network(residual=residual) for residual in (False, True))
    assert plain.parameter_count == residual.parameter_count
    images = torch.randn(2, 1, 9, 9, 9)
    assert not torch.equal(plain(images), residual(images))
    with torch.no_grad():
        for block in residual.blocks[1:]:
            block.normalisation.weight.zero_()
    # With every branch silenced, what is left is the first block's output: activated again and again, subsampled
    # and padded with empty filters.
    stem, features = residual.blocks[0](images), residual.features(images)
    assert features.shape == (2, 8, 2, 2, 2)
    expected = stem[:, :, ::2, ::2, ::2][:, :, ::2, ::2, ::2][:, :, ::2, ::2, ::2]
    for _ in range(9):
        expected = torch.nn.functional.leaky_relu(expected, 0.3)
    torch.testing.assert_close(features[:, :2], expected)
    assert not features[:, 2:].any()


def test_a_head_can_start_at_zero_or_with_unit_variance():
    images = torch.randn(2, 1, 5, 5, 5)
    zero, unit, others = (make_network(width=26, head_initialisation=h) for h in ("zero", "unit", "as_kernels"))
    assert not zero(images).any()
    assert unit.head.weight.std().item() == pytest.approx(1, abs=0.15)
    assert others.head.weight.std().item() < 0.3
    assert all(torch.equal(a, b) for a, b in zip(zero.kernels[:-1], others.kernels[:-1], strict=True))
