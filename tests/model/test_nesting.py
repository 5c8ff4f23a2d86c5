"""A wider network computes what a narrower one does, at the same penalty, when the rest of it is zero."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import SMALL, make_network

from widthwise.model.initialisation import kernels
from widthwise.model.nesting import embed
from widthwise.training.objective import Penalty

NORMALISATIONS = st.sampled_from(["batch", "none"])
ACTIVATIONS = st.sampled_from(["leaky_relu", "relu", "elu", "gelu"])


@settings(max_examples=25)
@given(
    width=st.integers(1, 4),
    more=st.integers(1, 5),
    normalisation=NORMALISATIONS,
    activation=ACTIVATIONS,
    residual=st.booleans(),
    seed=st.integers(0, 9),
)
def test_an_embedded_network_has_the_same_logits_and_the_same_penalty(
    width, more, normalisation, activation, residual, seed
):
    changes = {"normalisation": normalisation, "activation": activation, "residual": residual, "stages": (2, 1)}
    smaller, wider = (
        make_network(SMALL.network, seed=at, width=size, **changes) for at, size in ((seed, width), (9, width + more))
    )
    with torch.no_grad():
        for parameter in smaller.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    embed(smaller, wider)
    images = torch.randn(4, 1, 5, 5, 5)
    torch.testing.assert_close(wider(images), smaller(images), rtol=1e-4, atol=1e-5)
    squares = [Penalty(kernels(network), l2=1).sum_of_squares() for network in (smaller, wider)]
    assert squares[1] == pytest.approx(squares[0], rel=1e-12)
    torch.testing.assert_close(wider.eval()(images), smaller.eval()(images), rtol=1e-4, atol=1e-5)
