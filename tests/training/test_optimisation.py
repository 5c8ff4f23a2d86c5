"""Optimisers: which weights learn at which rate, and where weight decay acts."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from settings import SMALL, log_of, make_network, make_training

from widthwise.model.initialisation import kernels
from widthwise.model.parametrisation import rate_factors
from widthwise.training.optimisation import make_optimiser, parameter_groups, root_second_moments


def rates_of(optimiser: torch.optim.Optimizer, network) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = optimiser.param_groups
    rates = [(names[id(parameter)], group["lr"]) for group in groups for parameter in group["params"]]
    assert len(rates) == len(dict(rates))
    return dict(rates)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("parametrisation", ["standard", "mup"])
def test_every_parameter_learns_at_its_own_rate(kind, parametrisation):
    network = make_network(width=6, base_width=2, parametrisation=parametrisation)
    training = replace(SMALL.training, optimiser=kind, learning_rate=0.1)
    ratio = 3 if parametrisation == "mup" else 1
    factors = rate_factors(network, kind, ratio)
    assert rates_of(make_optimiser(network, training, ratio), network) == {
        name: pytest.approx(0.1 * factors[name]) for name, _ in network.named_parameters()
    }
    assert len(parameter_groups(network, training, ratio)) == len(set(factors.values()))


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_a_training_under_mup_uses_those_rates(kind):
    network = {"width": 6, "base_width": 2, "parametrisation": "mup"}
    training = make_training(network=network, optimiser=kind, learning_rate=0.1)
    factors = rate_factors(training.network, kind, 3)
    assert rates_of(training.optimiser, training.network) == pytest.approx(
        {name: 0.1 * factor for name, factor in factors.items()}
    )


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_at_the_base_width_a_run_under_mup_is_the_standard_run_to_the_bit(kind):
    logs = [
        log_of(
            make_training(
                network={"width": 3, "base_width": 3, "parametrisation": parametrisation},
                optimiser=kind,
                learning_rate=1e-2,
            )
        )
        for parametrisation in ("standard", "mup")
    ]
    assert logs[0] == logs[1]


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match=r"optimiser 'lion': allowed are adam, sgd"):
        make_optimiser(make_network(), replace(SMALL.training, optimiser="lion"), 1)


def test_settings_reach_the_optimiser():
    settings = {"betas": (0.5, 0.25), "epsilon": 0.125, "momentum": 0.75}
    adam = make_training(**settings).optimiser
    assert type(adam) is torch.optim.Adam
    assert all((group["betas"], group["eps"]) == ((0.5, 0.25), 0.125) for group in adam.param_groups)
    sgd = make_training(optimiser="sgd", **settings).optimiser
    assert type(sgd) is torch.optim.SGD
    assert all(group["momentum"] == 0.75 for group in sgd.param_groups)


# Weight decay


def final_weights(**settings) -> torch.Tensor:
    training = make_training(**{"learning_rate": 1e-2, "l2": 0.1} | settings)
    assert log_of(training)
    return torch.cat([parameter.detach().flatten() for parameter in training.network.parameters()])


def test_l2_acts_where_it_is_told_and_is_reported_only_in_the_loss():
    places = {place: final_weights(l2_as=place) for place in ("loss", "optimiser", "decoupled")}
    places["none"] = final_weights(l2=0)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(places.values(), 2))
    for place in ("optimiser", "decoupled"):
        rows = log_of(make_training(l2_as=place))
        assert {row.penalty for row in rows} == {0}
        assert all(row.sum_of_squares > 0 for row in rows)


def test_l2_in_the_optimiser_is_half_of_kerass_on_the_kernels_alone():
    # One SGD step without momentum shows the gradient: torch's decay is lambda w, Keras' penalty 2 lambda w.
    places = {"none": (0, "loss"), "loss": (0.05, "loss"), "optimiser": (0.1, "optimiser")}
    networks = {}
    for place, (l2, l2_as) in places.items():
        training = make_training(samples=4, l2=l2, l2_as=l2_as, optimiser="sgd", momentum=0, learning_rate=0.5)
        training.advance()
        networks[place] = training.network
    for ours, torchs in zip(kernels(networks["loss"]), kernels(networks["optimiser"]), strict=True):
        torch.testing.assert_close(ours, torchs)
    assert not torch.equal(kernels(networks["none"])[0], kernels(networks["loss"])[0])
    scales = [network.blocks[0].normalisation.weight for network in networks.values()]
    assert torch.equal(scales[0], scales[1])
    assert not torch.equal(scales[0], scales[2])


@pytest.mark.parametrize(("l2_as", "kind"), [("optimiser", "adam"), ("optimiser", "sgd"), ("decoupled", "adam")])
def test_torchs_decay_acts_on_every_parameter(l2_as, kind):
    rate, l2 = 1e-2, 0.1
    training = make_training(l2=l2, l2_as=l2_as, optimiser=kind, momentum=0, learning_rate=rate)
    with torch.no_grad():  # biases and shifts start at zero, where there is nothing to decay
        for parameter in training.network.parameters():
            parameter.add_(0.5)
    before = [parameter.detach().clone() for parameter in training.network.parameters()]
    training.advance()
    for parameter, start in zip(training.network.parameters(), before, strict=True):
        gradient = parameter.grad
        if l2_as == "decoupled":  # Loshchilov & Hutter 2019: the weight shrinks beside Adam's step
            start, total = start * (1 - rate * l2), gradient
        else:
            total = gradient + l2 * start
        step = total if kind == "sgd" else total / (total.abs() + training.run.training.epsilon)
        torch.testing.assert_close(parameter.detach(), start - rate * step, rtol=1e-4, atol=1e-6)


def test_decoupled_decay_is_adamw():
    assert type(make_training(l2_as="decoupled").optimiser) is torch.optim.AdamW
    assert type(make_training(l2_as="optimiser").optimiser) is torch.optim.Adam


def test_at_the_posted_rate_decoupled_decay_is_nothing():
    # It shrinks a weight by 1e-9 of itself a step, which float32 cannot tell from nothing.
    posted = {"learning_rate": 1e-5, "l2": 1e-4}
    assert torch.equal(final_weights(l2_as="decoupled", **posted), final_weights(**posted | {"l2": 0}))


# Rates in time, and second moments


def test_warm_up_grows_the_rate_linearly():
    training = make_training(warmup_steps=4, learning_rate=1e-3)
    rates = []
    for _ in range(6):
        rates.append(training.optimiser.param_groups[0]["lr"])
        training.advance()
    assert rates == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3, 1e-3])


def test_warm_up_scales_the_rates_of_mup_alike():
    training = make_training(warmup_steps=4, network={"width": 6, "base_width": 2, "parametrisation": "mup"})
    before = rates_of(training.optimiser, training.network)
    training.advance()
    after = rates_of(training.optimiser, training.network)
    assert after == pytest.approx({name: 2 * rate for name, rate in before.items()})
    assert len(set(before.values())) == 2


def test_root_second_moments_after_one_step_are_the_gradients():
    training = make_training(l2=0)
    training.advance()
    gradients = {id(parameter): parameter.grad.flatten() for parameter in training.network.parameters()}
    order = [parameter for group in training.optimiser.param_groups for parameter in group["params"]]
    expected = torch.cat([gradients[id(parameter)] for parameter in order])
    torch.testing.assert_close(root_second_moments(training.optimiser), expected.abs())
    assert root_second_moments(make_training(optimiser="sgd").optimiser) is None
    assert root_second_moments(make_training().optimiser) is None


def test_a_schedule_without_warm_up_changes_nothing():
    training = make_training()
    log_of(training)
    assert math.isclose(training.optimiser.param_groups[0]["lr"], training.run.training.learning_rate)
