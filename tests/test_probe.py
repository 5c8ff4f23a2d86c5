"""The probe: balanced, in train mode, and without a trace."""

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from settings import SMALL, make_network

from widthwise.training.probe import Probe, balanced_indices


@given(st.lists(st.integers(0, 2), min_size=3, max_size=60), st.integers(2, 12))
def test_a_probe_is_balanced_from_its_first_samples_on(labels, size):
    labels = numpy.array(labels)
    counts = numpy.bincount(labels)[numpy.unique(labels)]
    if counts.min() < -(-size // len(counts)):
        with pytest.raises(ValueError, match=r"evaluation\.probe_size"):
            balanced_indices(labels, size)
        return
    indices = balanced_indices(labels, size)
    assert len(set(indices)) == len(indices) == size
    taken = numpy.bincount(labels[indices], minlength=3)[numpy.unique(labels)]
    assert taken.max() - taken.min() <= 1


def test_measuring_changes_nothing_and_repeats():
    network = make_network(**SMALL)
    probe = Probe(torch.randn(10, 1, 5, 5, 5), torch.arange(10) % 2, batch_size=4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    assert probe.measure(network) == probe.measure(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_losses_are_those_of_batch_statistics():
    # A network whose running statistics are far off: only eval mode would see them.
    network = make_network(**SMALL)
    probe = Probe(torch.randn(8, 1, 5, 5, 5), torch.arange(8) % 2, batch_size=8)
    expected = probe.measure(network)
    for block in network.blocks:
        block.normalisation.running_mean.fill_(1e3)
    assert probe.measure(network) == expected
    logits = network.train()(probe.images)
    assert expected[0] == pytest.approx(torch.nn.functional.cross_entropy(logits, probe.labels).item())
    assert expected[1] == (logits.argmax(dim=1) == probe.labels).float().mean().item()


def test_class_weights_weigh_over_the_whole_probe():
    network, weights = make_network(**SMALL), torch.tensor([1.0, 5.0])
    images, labels = torch.randn(8, 1, 5, 5, 5), torch.tensor([0, 0, 0, 1, 1, 0, 1, 0])
    loss, _ = Probe(images, labels, batch_size=8, class_weights=weights).measure(network)
    expected = torch.nn.functional.cross_entropy(network.train()(images), labels, weights)
    assert loss == pytest.approx(expected.item())


@pytest.mark.parametrize("samples", [2, 3, 9])
def test_no_cube_is_left_alone_in_a_batch_where_the_last_stage_is_one_voxel(samples):
    network = make_network(stages=[1, 1, 1, 1])
    probe = Probe(torch.randn(samples, 1, 8, 8, 8), torch.arange(samples) % 2, batch_size=4)
    loss, _ = probe.measure(network)
    assert numpy.isfinite(loss)
