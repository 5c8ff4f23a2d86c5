"""Batch normalisation of few filters against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import cubes, make_network
from torch import nn

from widthwise.model.normalisation import MANY_VOXELS, BatchNorm, TiledBatchNorm
from widthwise.training.textbook import textbook_network

SIZES = st.integers(1, 5)


def features_like(*shape, dtype=torch.float64):
    features = torch.randn(*shape, dtype=dtype).to(memory_format=torch.channels_last_3d)
    return features.requires_grad_()


@settings(max_examples=40)
@given(
    batch=st.integers(2, 9),
    filters=st.integers(1, 9),
    sides=st.tuples(SIZES, SIZES, SIZES),
    slope=st.sampled_from([1.0, 0.3]),
    seed=st.integers(0),
)
def test_outputs_statistics_and_gradients_are_those_of_torch(batch, filters, sides, slope, seed):
    torch.manual_seed(seed % 2**32)
    features = features_like(batch, filters, *sides)
    scale, shift = (torch.randn(filters, dtype=torch.float64).requires_grad_() for _ in range(2))
    weights = torch.randn_like(features)
    mean, variance = torch.zeros_like(scale), torch.zeros_like(scale)
    theirs = nn.functional.batch_norm(features, mean, variance, scale, shift, training=True, momentum=1.0, eps=1e-3)
    theirs = nn.functional.leaky_relu(theirs, slope)
    expected = torch.autograd.grad((theirs * weights).sum(), [features, scale, shift])
    ours, our_mean, our_variance = TiledBatchNorm.apply(features, scale, shift, 1e-3, slope)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(our_mean, mean.detach())
    samples = features.numel() // filters
    torch.testing.assert_close(our_variance * samples / (samples - 1), variance.detach())
    torch.testing.assert_close(torch.autograd.grad((ours * weights).sum(), [features, scale, shift]), expected)


@pytest.mark.parametrize("filters", [2, 5, 8])
def test_the_layer_is_torchs_in_training_and_in_evaluation(filters):
    torch.manual_seed(0)
    ours, theirs = BatchNorm(filters, momentum=0.01, eps=1e-3), nn.BatchNorm3d(filters, momentum=0.01, eps=1e-3)
    for _ in range(3):
        features = features_like(8, filters, 11, 11, 11, dtype=torch.float32)
        assert features.numel() // filters >= MANY_VOXELS
        torch.testing.assert_close(ours(features), theirs(features))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    torch.testing.assert_close(ours.eval()(features), theirs.eval()(features))


def test_a_mean_far_from_zero_costs_no_digits():
    features = features_like(2, 2, 20, 20, 20, dtype=torch.float32).detach() + 1000
    ours, _, _ = TiledBatchNorm.apply(features, torch.ones(2), torch.zeros(2), 1e-3, 1.0)
    exact = nn.functional.batch_norm(features.double(), None, None, training=True, eps=1e-3)
    torch.testing.assert_close(ours.double(), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("changes", [{"activation": "relu"}, {"activation": "elu"}, {"residual": True}, {}])
def test_whatever_follows_the_layer_gradients_are_those_of_torchs_layers(changes):
    torch.manual_seed(0)
    network = make_network(task=cubes(2, 15), multipliers=(1, 1), stages=(2, 1), **changes).train()
    images = torch.randn(4, 1, 15, 15, 15)
    found, expected = (
        torch.autograd.grad(net(images).square().sum(), list(net.parameters()))
        for net in (network, textbook_network(network))
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
