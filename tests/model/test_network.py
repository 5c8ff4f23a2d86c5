"""Shapes, the order of a block, and what a seed decides."""

import pytest
import torch
from settings import POSTED, cubes, make_network

from widthwise.model.initialisation import count_parameters
from widthwise.model.network import make_activation


@pytest.mark.parametrize("side", [8, 25])
@pytest.mark.parametrize("classes", [2, 3])
def test_shapes_from_cube_to_logits(side, classes):
    assert make_network(POSTED.network, task=cubes(classes))(torch.zeros(3, 1, side, side, side)).shape == (3, classes)


def test_stages_halve_the_side_of_a_cube_of_25():
    images, sides = torch.zeros(1, 1, 25, 25, 25), []
    for block in make_network(POSTED.network).blocks:
        images = block(images)
        sides.append(images.shape[-1])
    assert sides == [25] * 2 + [13] * 4 + [7] * 5 + [4] * 8


def test_every_convolution_is_normalised_and_activated_and_nothing_drops_out():
    network = make_network(POSTED.network)
    names = [[type(module).__name__ for module in block.children()] for block in network.blocks]
    assert names == [["Convolution", "BatchNorm", "LeakyReLU"]] * 19
    assert network.dropout.p == 0


def test_settings_reach_the_layers():
    network = make_network(
        normalisation_epsilon=0.5, normalisation_momentum=0.25, negative_slope=0.125, kernel_size=5, dropout=0.75
    )
    for block in network.blocks:
        assert (block.normalisation.eps, block.normalisation.momentum) == (0.5, 0.25)
        assert block.activation.negative_slope == 0.125
        assert block.convolution.kernel_size == (5, 5, 5)
        assert block.convolution.bias is None
    assert network.dropout.p == 0.75


def test_without_normalisation_a_convolution_has_a_bias():
    block = make_network(normalisation="none").blocks[0]
    assert [type(module).__name__ for module in block.children()] == ["Convolution", "Identity", "LeakyReLU"]
    assert block.convolution.bias is not None


@pytest.mark.parametrize(
    ("activation", "of_minus_one"), [("leaky_relu", -0.3), ("relu", 0), ("elu", -0.6321), ("gelu", -0.1587)]
)
def test_an_activation_is_the_one_that_is_named(activation, of_minus_one):
    activate = make_network(activation=activation).blocks[0].activation
    assert activate(torch.tensor([-1.0, 2.0])) == pytest.approx([of_minus_one, 2], abs=0.05)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"activation 'tanh': allowed are leaky_relu, relu, elu, gelu"):
        make_activation("tanh", 0.3)


def test_dropout_leaves_out_pooled_features_in_training_only():
    network = make_network(dropout=0.5, head_initialisation="unit", multipliers=(1, 100))
    torch.manual_seed(0)
    images = torch.randn(2, 1, 5, 5, 5)
    network.train()
    assert not torch.equal(network(images), network(images))
    dropped = network.dropout(network.pooled(images))
    assert 0.4 < (dropped == 0).float().mean() < 0.6
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * network.pooled(images)[kept])
    network.eval()
    assert torch.equal(network(images), network(images))


def test_shortcuts_cost_no_parameters_and_pass_the_input_on():
    plain, residual = (make_network(POSTED.network, residual=residual) for residual in (False, True))
    assert count_parameters(plain) == count_parameters(residual)
    images = torch.randn(2, 1, 9, 9, 9)
    assert not torch.equal(plain(images), residual(images))
    # Each pair starts as its shortcut. What is left is the first block's output: activated again and again, subsampled
    # and padded with empty filters.
    stem, features = residual.blocks[0](images), residual.features(images)
    assert features.shape == (2, 8, 2, 2, 2)
    expected = stem[:, :, ::2, ::2, ::2][:, :, ::2, ::2, ::2][:, :, ::2, ::2, ::2]
    for _ in range(9):
        expected = torch.nn.functional.leaky_relu(expected, 0.3)
    torch.testing.assert_close(features[:, :2], expected)
    assert not features[:, 2:].any()
