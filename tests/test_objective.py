"""objective = data loss + penalty, in value and in gradient."""

import pytest
import torch
from settings import SMALL, make_network

from widthwise.training.objective import Penalty, data_loss

IMAGES, LABELS = torch.linspace(-1, 1, 4 * 125).reshape(4, 1, 5, 5, 5), torch.tensor([0, 1, 0, 1])


def test_the_penaltys_gradient_is_that_of_the_whole_objective():
    network = make_network(**SMALL)
    penalty = Penalty(network.kernels, l2=0.3)
    objective = data_loss(network(IMAGES), LABELS) + 0.3 * sum(k.square().sum() for k in network.kernels)
    expected = torch.autograd.grad(objective, list(network.parameters()))
    data_loss(network(IMAGES), LABELS).backward()
    penalty.add_gradient()
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_without_l2_the_gradient_is_the_data_losss():
    network = make_network(**SMALL)
    data_loss(network(IMAGES), LABELS).backward()
    before = [kernel.grad.clone() for kernel in network.kernels]
    Penalty(network.kernels, l2=0).add_gradient()
    assert all(torch.equal(k.grad, b) for k, b in zip(network.kernels, before, strict=True))


def test_sum_of_squares_is_of_the_kernels_alone():
    network = make_network(**SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(3)
    entries = sum(kernel.numel() for kernel in network.kernels)
    assert Penalty(network.kernels, l2=0.5).sum_of_squares() == 9 * entries


def test_the_data_loss_of_undecided_logits_is_log_of_the_classes():
    assert data_loss(torch.zeros(4, 2), LABELS).item() == pytest.approx(torch.log(torch.tensor(2.0)).item())


def test_class_weights_make_a_weighted_mean_that_guessing_leaves_at_log_of_the_classes():
    logits, weights = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), torch.tensor([1.0, 3.0])
    each = torch.stack([data_loss(logits[i : i + 1], LABELS[i : i + 1]) for i in range(4)])
    expected = (each * weights[LABELS]).sum() / weights[LABELS].sum()
    torch.testing.assert_close(data_loss(logits, LABELS, weights), expected)
    torch.testing.assert_close(data_loss(torch.zeros(4, 2), LABELS, weights), torch.log(torch.tensor(2.0)))
