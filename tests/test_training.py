"""What a run measures, when, and what its seed decides."""

import io
import itertools
import math
import os
import subprocess
import sys

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from settings import ROOT, SMALL, log_of, make_network, make_training

from widthwise.training.loop import evaluation_is_due, prepare_data
from widthwise.training.seeding import Stream, random_order


def due(steps, steps_per_epoch, per_epoch):
    return [step for step in range(steps + 1) if evaluation_is_due(step, steps_per_epoch, per_epoch)]


def test_evaluations_double_and_then_come_evenly():
    assert due(192, 96, 2) == [0, 1, 2, 4, 8, 16, 32, 48, 96, 144, 192]


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 4))
def test_every_epoch_ends_with_an_evaluation_and_has_as_many_as_asked(steps_per_epoch, per_epoch, epochs):
    steps = due(epochs * steps_per_epoch, steps_per_epoch, per_epoch)
    assert set(range(0, epochs * steps_per_epoch + 1, steps_per_epoch)) <= set(steps)
    in_second = [step for step in steps if steps_per_epoch < step <= 2 * steps_per_epoch]
    assert len(in_second) == (min(per_epoch, steps_per_epoch) if epochs > 1 else 0)
    if steps_per_epoch >= per_epoch:
        gaps = [b - a for a, b in itertools.pairwise(steps)]
        assert max(gaps) <= math.ceil(steps_per_epoch / per_epoch) + 1


def test_rows_start_before_any_update_and_end_with_the_last():
    rows = log_of(make_training())
    assert [row.step for row in rows] == [0, 1, 2, 3, 6, 9, 12]
    assert rows[0].epoch == 0
    assert rows[-1].epoch == 2
    assert all(row.objective == row.data_loss + row.penalty for row in rows)
    assert all(row.penalty == 1e-4 * row.sum_of_squares for row in rows)


def test_the_running_loss_is_what_keras_prints():
    training = make_training(learning_rate=1e-9, evaluations_per_epoch=6, epochs=1)
    rows = log_of(training)
    assert math.isnan(rows[0].running_data_loss)
    training.network.train()
    batches = random_order(0, Stream.DATA_ORDER, 24).split(4)
    losses = [
        torch.nn.functional.cross_entropy(training.network(training.images[b]), training.labels[b]).item()
        for b in batches
    ]
    for step in range(1, 7):
        assert rows[step].running_data_loss == pytest.approx(sum(losses[:step]) / step, rel=1e-4)


def test_zero_steps_change_nothing():
    training = make_training(epochs=0)
    before = {key: value.clone() for key, value in training.network.state_dict().items()}
    assert [row.step for row in log_of(training)] == [0]
    assert all(torch.equal(value, before[key]) for key, value in training.network.state_dict().items())


def test_a_step_is_the_textbook_step():
    training = make_training(epochs=1, learning_rate=1e-3)
    textbook = make_network(**SMALL)
    optimiser = torch.optim.Adam(textbook.parameters(), lr=1e-3, eps=1e-7)
    for batch in random_order(0, Stream.DATA_ORDER, 24).split(4):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(textbook(training.images[batch]), training.labels[batch])
        penalty = sum(kernel.square().sum() for kernel in textbook.kernels)
        (loss + 1e-4 * penalty).backward()
        optimiser.step()
    assert [row.step for row in log_of(training)][-1] == 6
    for ours, theirs in zip(training.network.parameters(), textbook.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_same_seed_repeats_to_the_bit_and_another_does_not():
    first, again, other = (
        [(row.data_loss, row.penalty) for row in log_of(make_training(seed=seed))] for seed in (0, 0, 1)
    )
    assert first == again
    assert not set(first) & set(other)


def test_all_widths_see_the_same_data_order(monkeypatch):
    seen = {2: [], 3: []}
    for width, batches in seen.items():
        training = make_training(width=width)
        training.network.register_forward_pre_hook(
            lambda network, inputs, batches=batches: batches.append(inputs[0].clone())
        )
        log_of(training)
    assert all(torch.equal(a, b) for a, b in zip(seen[2], seen[3], strict=True))


def test_data_order_is_a_new_permutation_for_each_seed_and_epoch():
    orders = [tuple(random_order(seed, Stream.DATA_ORDER, 50, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_a_longer_run_starts_as_the_shorter_one():
    short, long = ([vars(row) for row in log_of(make_training(epochs=n))] for n in (1, 3))
    assert long[1 : len(short)] == short[1:]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_run_that_diverges_at_the_start_has_no_rows(broken):
    network = make_network(**SMALL)
    with torch.no_grad():
        network.head.weight.fill_(broken)
    training = make_training(network=network)
    assert log_of(training) == []
    assert training.diverged
    assert training.step == 0


def test_a_run_that_diverges_later_keeps_what_was_finite():
    network = make_network(**SMALL, normalisation="none")
    training = make_training(network=network, learning_rate=1e30)
    rows = log_of(training)
    assert training.diverged
    assert training.step < training.steps
    assert rows[0].step == 0
    assert all(math.isfinite(row.objective) for row in rows)


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
    settings = {"optimiser": "sgd", "momentum": 0, "epochs": 1, "samples": 8, "batch_size": 8}
    network = {place: make_network(**SMALL) for place in ("none", "loss", "optimiser")}
    for place, l2 in (("none", 0), ("loss", 0.05), ("optimiser", 0.1)):
        l2_as = "loss" if place == "none" else place
        log_of(make_training(network=network[place], l2=l2, l2_as=l2_as, **settings))
    for ours, torchs in zip(network["loss"].kernels, network["optimiser"].kernels, strict=True):
        torch.testing.assert_close(ours, torchs)
    assert not torch.equal(network["none"].kernels[0], network["loss"].kernels[0])
    scale = [n.blocks[0].normalisation.weight for n in (network["none"], network["loss"], network["optimiser"])]
    assert torch.equal(scale[0], scale[1])
    assert not torch.equal(scale[0], scale[2])


def test_at_the_posted_rate_decoupled_decay_is_nothing():
    # It shrinks a weight by 1e-9 of itself a step, which float32 cannot tell from nothing.
    posted = {"learning_rate": 1e-5, "l2": 1e-4}
    assert torch.equal(final_weights(l2_as="decoupled", **posted), final_weights(**posted | {"l2": 0}))


def test_warm_up_grows_the_rate_linearly():
    training = make_training(warmup_steps=4, learning_rate=1e-3)
    rates = []
    for _ in range(6):
        rates.append(training.optimiser.param_groups[0]["lr"])
        training.advance()
    assert rates == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3, 1e-3])


def test_random_labels_are_dealt_once_a_seed_and_keep_the_balance():
    arrays = {
        "train/images": numpy.zeros((24, 5, 5, 5), dtype=numpy.float32),
        "train/labels": (numpy.arange(24) % 2).astype(numpy.uint8),
    }

    def data(seed, random_labels=True):
        evaluation = {"probe_size": 8, "batch_size": 4}
        settings = {"seed": seed, "evaluation": evaluation}
        settings["training"] = {"random_labels": random_labels, "class_weights": None}
        return prepare_data(settings, arrays)

    labels = [data(seed)[1] for seed in (0, 0, 1)]
    assert torch.equal(labels[0], labels[1])
    assert not torch.equal(labels[0], labels[2])
    true = data(0, random_labels=False)[1]
    assert not torch.equal(labels[0], true)
    assert labels[0].sum() == true.sum()
    assert torch.equal(data(0)[2].labels, labels[0][:8])


def test_dropout_repeats_with_the_seed_and_is_off_in_the_probe():
    networks = [make_network(**SMALL, dropout=0.5) for _ in range(2)]
    first, again = (log_of(make_training(network=network)) for network in networks)
    without = log_of(make_training())
    assert [vars(row) for row in first[1:]] == [vars(row) for row in again[1:]]
    assert first[0].data_loss == without[0].data_loss
    assert first[-1].data_loss != without[-1].data_loss


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_reduced_precision_trains_float32_weights(precision):
    network = make_network(**SMALL, precision=precision)
    rows = log_of(make_training(network=network, learning_rate=1e-2))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert rows[-1].data_loss < rows[0].data_loss
    exact = log_of(make_training())[0].data_loss
    assert (rows[0].data_loss == exact) == (precision == "float32")
    assert rows[0].data_loss == pytest.approx(exact, abs=0.02)


def test_a_batch_that_is_not_finite_ends_the_run_though_the_probe_is_finite():
    training = make_training()
    training.images[20] = math.nan  # not in the probe
    steps = [row.step for row in log_of(training)]
    assert training.diverged
    assert steps == sorted(set(steps))
    assert all(math.isfinite(row.data_loss) for row in training.log)


VARIANTS = {
    "as posted": {},
    "warm-up": {"warmup_steps": 6},
    "momentum": {"optimiser": "sgd", "learning_rate": 1e-2},
    "decay": {"l2_as": "decoupled", "learning_rate": 1e-2},
    "dropout": {"network": {"dropout": 0.5}},
    "reduced precision": {"network": {"precision": "bfloat16"}, "learning_rate": 1e-2},
}


def variant(name, **settings):
    settings = VARIANTS[name] | settings
    return make_training(**settings | {"network": make_network(**SMALL | settings.get("network", {}))})


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("stop", [0, 1, 5, 6, 11, 12])
def test_a_run_that_goes_on_elsewhere_is_the_run_that_never_stopped(name, stop):
    whole = variant(name)
    log_of(whole)
    first = variant(name)
    for _ in itertools.islice(first.proceed(), stop + 1):
        pass
    assert first.step == stop
    state = through_a_file(first.state_dict())
    second = variant(name)
    torch.rand(7)  # what happens in between does not matter
    second.load_state_dict(state)
    assert [str(row) for row in log_of(second)] == [str(row) for row in whole.log]
    for ours, theirs in zip(second.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", VARIANTS)
def test_more_epochs_later_are_as_many_at_once(name):
    short = variant(name, epochs=1)
    log_of(short)
    state = through_a_file(short.state_dict())
    long = variant(name, epochs=3)
    log_of(long)
    extended = variant(name, epochs=3)
    extended.load_state_dict(state)
    assert [str(row) for row in log_of(extended)] == [str(row) for row in long.log]


def test_a_diverged_run_stays_diverged_when_it_goes_on():
    training = make_training(network=make_network(**SMALL, normalisation="none"), learning_rate=1e30)
    rows = log_of(training)
    longer = make_training(network=make_network(**SMALL, normalisation="none"), learning_rate=1e30, epochs=9)
    longer.load_state_dict(through_a_file(training.state_dict()))
    assert [str(row) for row in log_of(longer)] == [str(row) for row in rows]
    assert (longer.diverged, longer.step) == (True, training.step)


def test_a_run_on_the_cpu_does_without_torchs_compiler():
    program = (
        "import sys; import settings; from widthwise.training.device import leave_compiler_out; leave_compiler_out(); "
        "training = settings.make_training(); settings.log_of(training); "
        "training.load_state_dict(training.state_dict()); "
        "sys.exit(any(name.startswith('torch._dynamo.') for name in sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
