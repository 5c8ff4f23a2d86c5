"""Measuring a network changes nothing about it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from settings import make_network

from widthwise.training.measuring import computing_in, count_correct, unchanged

CPU = torch.device("cpu")
IMAGES = torch.linspace(-1, 1, 4 * 125).reshape(4, 1, 5, 5, 5)


@pytest.mark.parametrize("in_training", [True, False])
@pytest.mark.parametrize("measured_in_training", [True, False])
def test_measuring_changes_nothing_and_repeats(in_training, measured_in_training):
    network = make_network(dropout=0.5).train(in_training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random_state = torch.get_rng_state()

    def measure():
        with unchanged(network, CPU):
            network.train(measured_in_training)
            logits = network(IMAGES)
            changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
            assert bool(changed) == measured_in_training  # the block itself sees buffers move
        return logits

    assert torch.equal(measure(), measure())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert {module.training for module in network.modules()} == {in_training}


def test_a_measured_network_can_be_trained_on():
    network = make_network()
    with unchanged(network, CPU):
        network.train()
        network(IMAGES)
    network(IMAGES).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_no_gradients_are_kept():
    network = make_network()
    with unchanged(network, CPU):
        assert not network(IMAGES).requires_grad


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_precision_is_that_of_products(precision, dtype):
    with computing_in(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_correct_labels_have_the_largest_logit(pairs):
    predicted, labels = (torch.tensor(column) for column in zip(*pairs, strict=True))
    logits = torch.nn.functional.one_hot(predicted, 3).float()
    assert count_correct(logits, labels).item() == sum(a == b for a, b in pairs)
