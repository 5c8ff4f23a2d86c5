"""Convolutions of few filters against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import POSTED, cubes, make_network
from torch import nn

from widthwise.model.folding import (
    MANY_VOXELS,
    TINY,
    Convolution,
    FoldedConvolution,
    PlainConvolution,
    cut,
    joined,
    pieces_that_pay,
)

CHANNELS_LAST = torch.channels_last_3d
SIZES = st.integers(1, 5)


def drawn(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype).to(memory_format=CHANNELS_LAST).requires_grad_()


def compare(ours, theirs, arguments):
    """Compares outputs, and the gradients of all arguments under the same random weights."""
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(theirs)
    for one, other in zip(*(torch.autograd.grad((y * weights).sum(), arguments) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    filters=st.tuples(SIZES, SIZES),
    sides=st.tuples(SIZES, SIZES, SIZES),
    pieces=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_folded_convolution_is_torchs(batch, filters, sides, pieces, seed):
    torch.manual_seed(seed)
    inputs, outputs = filters
    *others, side = sides
    features, weight = drawn(batch, inputs, *others, side * pieces), drawn(outputs, inputs, 3, 3, 3)
    ours = joined(FoldedConvolution.apply(cut(features, pieces), weight, pieces), pieces)
    assert ours.is_contiguous(memory_format=CHANNELS_LAST)
    compare(ours, nn.functional.conv3d(features, weight, padding=1), [features, weight])


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    filters=st.tuples(SIZES, SIZES),
    sides=st.tuples(SIZES, SIZES, SIZES),
    stride=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradients_of_a_plain_convolution_are_torchs(batch, filters, sides, stride, seed):
    torch.manual_seed(seed)
    features, weight = drawn(batch, filters[0], *sides), drawn(filters[1], filters[0], 3, 3, 3)
    ours = PlainConvolution.apply(features, weight, stride)
    compare(ours, nn.functional.conv3d(features, weight, padding=1, stride=stride), [features, weight])


# Whole rows, whole rows in the gradient of the input, a tiny volume, and neither.
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("inputs", "outputs", "side", "stride", "batch", "node"),
    [
        (1, 2, 13, 1, 8, "FoldedConvolution"),
        (2, 3, 13, 2, 8, "PlainConvolution"),
        (4, 5, TINY, 1, 8, "PlainConvolution"),
        (4, 5, TINY, 2, 8, "Convolution"),
        (2, 2, 13, 1, 1, "Convolution"),
        (2, 26, 13, 1, 8, "Convolution"),
    ],
)
def test_the_layer_is_torchs(inputs, outputs, side, stride, batch, node, bias):
    torch.manual_seed(0)
    theirs = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=bias)
    ours = Convolution(inputs, outputs, 3, stride, 1, bias=bias)
    ours.load_state_dict(theirs.state_dict())
    features = drawn(batch, inputs, side, side, side, dtype=torch.float32)
    found = ours(features)
    if not bias:
        assert found.grad_fn.name() == f"{node}Backward" + ("0" if node == "Convolution" else "")
    expected = theirs(features)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    one, other = (
        torch.autograd.grad((y * weights).sum(), [features, *m.parameters()])
        for y, m in ((found, ours), (expected, theirs))
    )
    for mine, torchs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-4, atol=1e-3)


@settings(max_examples=100)
@given(side=st.integers(1, 64), filters=st.integers(1, 200))
def test_pieces_divide_a_row_and_cost_less(side, filters):
    pieces = pieces_that_pay(side, filters)
    assert side % pieces == 0
    if pieces > 1:
        length = side // pieces
        assert (length + 2) * -(-length * filters // 16) * pieces < 3 * -(-filters // 16) * side


def test_a_network_of_cut_rows_gives_the_same_logits_and_gradients():
    torch.manual_seed(0)
    network = make_network(POSTED.network, task=cubes(2, 25)).train()
    images = torch.randn(2, 1, 25, 25, 25)
    assert network.pieces(images) > 1
    assert images.numel() >= MANY_VOXELS
    found = gradients(network, images)
    network.pieces = lambda images: 1
    for mine, plain in zip(found, gradients(network, images), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-2, atol=1e-4)


def gradients(network, images):
    logits = network(images)
    return [logits, *torch.autograd.grad(logits.square().sum(), list(network.parameters()))]


@pytest.mark.parametrize("changes", [{"residual": True}, {"kernel_size": 5}, {"width": 26}])
def test_other_networks_are_not_cut(changes):
    assert make_network(POSTED.network, task=cubes(2, 25), **changes).pieces(torch.zeros(2, 1, 25, 25, 25)) == 1


def test_in_bfloat16_nothing_is_folded():
    layer = Convolution(2, 2, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(drawn(8, 2, 13, 13, 13, dtype=torch.float32)).dtype == torch.bfloat16
        assert make_network(POSTED.network, task=cubes(2, 25)).pieces(torch.zeros(2, 1, 25, 25, 25)) == 1
