"""objective = data loss + penalty, in value and in gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import make_network

from widthwise.model.initialisation import kernels
from widthwise.training.objective import Penalty, data_loss

IMAGES, LABELS = torch.linspace(-1, 1, 4 * 125).reshape(4, 1, 5, 5, 5), torch.tensor([0, 1, 0, 1])
GUESSING = torch.log(torch.tensor(2.0))


@settings(max_examples=30)
@given(l2=st.floats(0, 2), width=st.integers(1, 3), normalisation=st.sampled_from(["batch", "none"]))
def test_the_gradient_is_that_of_the_whole_objective(l2, width, normalisation):
    network = make_network(width=width, normalisation=normalisation)
    objective = data_loss(network(IMAGES), LABELS) + l2 * sum(k.square().sum() for k in kernels(network))
    expected = torch.autograd.grad(objective, list(network.parameters()))
    penalty = Penalty(kernels(network), l2)
    loss = data_loss(network(IMAGES), LABELS)
    loss.backward()
    penalty.add_gradient()
    assert loss.item() + l2 * penalty.sum_of_squares() == pytest.approx(objective.item(), rel=1e-5)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_kernel_that_takes_no_part_in_a_step_has_the_penaltys_gradient_alone():
    first, skipped = (torch.nn.Parameter(torch.full((2, 3), value)) for value in (2.0, 3.0))
    first.sum().backward()
    Penalty([first, skipped], l2=0.5).add_gradient()
    assert (first.grad.unique().tolist(), skipped.grad.unique().tolist()) == ([3], [3])


def test_without_l2_the_gradient_is_the_data_losss():
    network = make_network()
    data_loss(network(IMAGES), LABELS).backward()
    before = [kernel.grad.clone() for kernel in kernels(network)]
    Penalty(kernels(network), l2=0).add_gradient()
    assert all(torch.equal(k.grad, b) for k, b in zip(kernels(network), before, strict=True))


def test_sum_of_squares_is_of_the_kernels_alone():
    network = make_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(3)
    entries = sum(kernel.numel() for kernel in kernels(network))
    assert Penalty(kernels(network), l2=0.5).sum_of_squares() == 9 * entries


def test_the_data_loss_of_undecided_logits_is_log_of_the_classes():
    assert data_loss(torch.zeros(4, 2), LABELS).item() == pytest.approx(GUESSING.item())


def test_class_weights_make_a_weighted_mean_that_guessing_leaves_at_log_of_the_classes():
    logits, weights = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), torch.tensor([1.0, 3.0])
    each = torch.stack([data_loss(logits[i : i + 1], LABELS[i : i + 1]) for i in range(4)])
    expected = (each * weights[LABELS]).sum() / weights[LABELS].sum()
    torch.testing.assert_close(data_loss(logits, LABELS, weights), expected)
    torch.testing.assert_close(data_loss(torch.zeros(4, 2), LABELS, weights), GUESSING)
