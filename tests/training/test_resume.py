"""A run that stops and goes on, or is made longer, or breaks down: its rows are the same to the bit."""

import io
import itertools
import json
import math

import pytest
import torch
import train
from programs import run_program
from settings import log_of, make_arrays, make_training, small_run

from widthwise.data.storage import write_dataset
from widthwise.model.initialisation import kernels
from widthwise.study.settings import canonical_json

VARIANTS = {
    "as posted": {},
    "warm-up": {"warmup_steps": 7},
    "momentum": {"optimiser": "sgd", "learning_rate": 1e-2},
    "decay": {"l2_as": "decoupled", "learning_rate": 1e-2},
    "dropout": {"network": {"dropout": 0.5}},
    "reduced precision": {"network": {"precision": "bfloat16"}, "learning_rate": 1e-2},
    "mup": {"network": {"width": 3, "base_width": 2, "parametrisation": "mup"}, "learning_rate": 1e-2},
    "everything": {
        "network": {"dropout": 0.25, "normalisation": "none"},
        "random_labels": True,
        "class_weights": (1.0, 2.0),
        "warmup_steps": 5,
        "optimiser": "sgd",
    },
}


def variant(name, **changes):
    return make_training(**VARIANTS[name] | changes)


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def run_to(training, stops):
    """Takes so many stops of the run: the first before any update, each of the others after one."""
    for _ in itertools.islice(training.proceed(), stops):
        pass
    return training


def equal_states(one, other):
    pairs = zip(one.network.state_dict().items(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(ours, theirs) for (_, ours), theirs in pairs)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_that_goes_on_elsewhere_is_the_run_that_never_stopped(name):
    whole = variant(name)
    log_of(whole)
    rows = {row.step for row in whole.log}
    assert {3, 5, 7, 9, 10, 11}.isdisjoint(rows)  # it is stopped between rows too
    for stops in range(14):
        first = run_to(variant(name), stops)
        assert first.step == max(0, stops - 1)
        state = through_a_file(first.state_dict())
        second = variant(name)
        torch.rand(7)  # what happens in between does not matter
        second.load_state_dict(state)
        assert log_of(second) == whole.log, stops
        assert equal_states(second, whole), stops


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_may_stop_after_every_step(name):
    whole = variant(name)
    log_of(whole)
    training = variant(name)
    for _ in range(30):
        state = through_a_file(run_to(training, 1).state_dict())
        training = variant(name)
        training.load_state_dict(state)
    assert training.log == whole.log
    assert equal_states(training, whole)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("stops", [7, 9, 13])  # at the end, on the way, and at the end of two epochs
def test_more_epochs_later_are_as_many_at_once(name, stops):
    long = variant(name, epochs=4)
    log_of(long)
    state = through_a_file(run_to(variant(name, epochs=2 if stops > 7 else 1), stops).state_dict())
    extended = variant(name, epochs=4)
    extended.load_state_dict(state)
    assert log_of(extended) == long.log
    assert equal_states(extended, long)


def test_fewer_epochs_are_the_rows_of_the_longer_run():
    short, long = (log_of(variant("dropout", epochs=epochs)) for epochs in (1, 3))
    assert short == long[: len(short)]


def test_a_run_asked_for_fewer_epochs_starts_again_and_keeps_its_checkpoint_aside(tmp_path, in_this_process, caplog):
    digest = write_dataset(tmp_path / "d.h5", make_arrays(), {})
    summary = {"digest": digest, "class_counts": {"train": [12, 12], "test": [12, 12]}, "shape": [1, 5, 5, 5]}
    (tmp_path / "d.json").write_text(json.dumps(summary))

    def losses_of(folder, epochs):
        files = {"losses": "losses.csv", "run": "run.json", "weights": "weights.pt"}
        options = [f"--{option}={folder / file}" for option, file in files.items()]
        data = [f"--dataset={tmp_path / 'd.h5'}", f"--summary={tmp_path / 'd.json'}", "--device=cpu"]
        run_program(train, f"--settings={canonical_json(small_run(epochs=epochs))}", *data, *options)
        return (folder / "losses.csv").read_text()

    one, other = tmp_path / "one", tmp_path / "other"
    long = losses_of(one, 2)
    checkpoint = (one / "checkpoint.pt").read_bytes()
    short = losses_of(one, 1)
    assert "checkpoint.pt: is already at step 12; kept as checkpoint.set_aside.pt, and the run starts" in caplog.text
    assert (one / "checkpoint.set_aside.pt").read_bytes() == checkpoint
    assert losses_of(other, 1) == short
    assert long.startswith(short)
    assert losses_of(one, 2) == long


def test_a_run_that_is_done_has_nothing_more_to_do():
    training = make_training()
    rows = list(log_of(training))
    assert list(training.proceed()) == []
    assert training.log == rows


def test_a_state_is_tensors_and_plain_values_of_its_own():
    training = run_to(make_training(), 4)
    state = through_a_file(training.state_dict())
    log_of(training)
    assert (state["step"], len(state["log"]), state["diverged"]) == (3, 3, False)
    assert not torch.equal(state["network"]["head.weight"], training.network.head.weight)


# Divergence


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_run_that_is_not_finite_at_the_start_has_no_rows(broken):
    training = make_training()
    with torch.no_grad():
        training.network.head.weight.fill_(broken)
    assert list(training.proceed()) == [None]
    assert (training.log, training.diverged, training.step) == ([], True, 0)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("position", range(1, 12))
def test_a_batch_that_is_not_finite_ends_the_run_before_its_update(broken, position):
    whole, training = (make_training(evaluation={"starting_batches": 1}, learning_rate=1e-2) for _ in range(2))
    log_of(whole)
    # Broken only when it is next, since the first epoch meets it as well as the second.
    sample = training.batches.indices(position)[0]
    stops = []
    for row in training.proceed():
        stops.append(row)
        if training.step == position:
            before = {key: value.clone() for key, value in training.network.named_parameters()}
            training.images[sample] = broken
    assert training.diverged
    assert training.step == position
    assert stops[-1] is None
    assert training.log == [row for row in whole.log if row.step <= position]
    assert all(math.isfinite(row.objective) for row in training.log)
    for name, parameter in training.network.named_parameters():
        assert torch.equal(parameter, before[name]), name
    assert list(training.proceed()) == []


@pytest.mark.parametrize("l2", [0.1, 0])
@pytest.mark.parametrize("step", [4, 8, 12])
def test_weights_that_are_not_finite_at_a_row_end_the_run_without_it(l2, step):
    whole, training = make_training(l2=l2), make_training(l2=l2)
    log_of(whole)
    kernel = kernels(training.network)[0]

    def overflow(*_):
        if training.step == step - 1:  # the update is made, and not yet counted
            kernel.data.fill_(math.inf)

    training.optimiser.register_step_post_hook(overflow)
    stops = list(training.proceed())
    assert (training.diverged, training.step) == (True, step)
    assert stops[-1] is None
    assert training.log == [row for row in whole.log if row.step < step]


def test_a_run_that_diverges_by_its_rate_keeps_what_was_finite():
    training = make_training(network={"normalisation": "none"}, learning_rate=1e30)
    rows = log_of(training)
    assert training.diverged
    assert training.step < training.steps
    assert rows[0].step == 0
    assert all(math.isfinite(row.objective) for row in rows)


def test_a_diverged_run_stays_diverged_when_it_goes_on():
    changes = {"network": {"normalisation": "none"}, "learning_rate": 1e30}
    training = make_training(**changes)
    rows = log_of(training)
    longer = make_training(epochs=9, **changes)
    longer.load_state_dict(through_a_file(training.state_dict()))
    assert log_of(longer) == rows
    assert (longer.diverged, longer.step) == (True, training.step)


def test_a_run_that_diverged_at_the_start_does_not_start_again():
    training = make_training()
    training.images.fill_(math.nan)
    assert log_of(training) == []
    again = make_training()
    again.load_state_dict(through_a_file(training.state_dict()))
    assert list(again.proceed()) == []
    assert again.diverged
