"""Each feature on curves whose features anybody can read off."""

import itertools
import math

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.analysis.features import (
    FEATURES,
    Curve,
    crossing,
    drift,
    printed_features,
    printed_losses,
    run_features,
    running_mean,
    steps_to_midway,
)

GUESSING = math.log(2)


def curve(values, every=10):
    return Curve(numpy.arange(len(values)) * every, numpy.array(values, dtype=float))


def features(log, run=None, *, printed=(), decay_step=10, end_window=0.1, budget_steps=math.nan):
    run = {"diverged": False, "planned_steps": 100, "steps_per_epoch": 50, "classes": 2} | (run or {})
    options = {"decay_step": decay_step, "end_window": end_window, "budget_steps": budget_steps}
    return run_features(log, numpy.array(printed), run, **options)


def log_of(data_loss, penalty=0.1, every=10):
    data_loss = numpy.array(data_loss, dtype=float)
    rows = {"step": numpy.arange(len(data_loss)) * every, "objective": data_loss + penalty, "data_loss": data_loss}
    return pandas.DataFrame(rows | {"penalty": penalty})


FALLING = log_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.1])


def test_a_run_has_every_feature_and_says_how_it_drifts():
    found = features(FALLING, printed=[0.7, 0.3])
    named = {f"{measure}_{feature}" for measure, names in FEATURES.items() for feature in names}
    assert found.keys() == named | {"diverged", "objective_drift", "data_loss_drift", "penalty_drift"}
    assert found["data_loss_starting_loss"] == 0.9
    assert found["objective_starting_loss"] == pytest.approx(1.0)
    assert found["data_loss_initial_decay"] == pytest.approx(0.1)
    assert found["data_loss_end_value"] == pytest.approx(0.1)


def test_means_are_weighted_by_the_steps_since_the_row_before():
    uneven = Curve(numpy.array([0, 1, 2, 4, 10]), numpy.array([9.0, 1.0, 2.0, 3.0, 4.0]))
    assert uneven.mean(0, 10) == pytest.approx((1 * 1 + 1 * 2 + 2 * 3 + 6 * 4) / 10)
    assert uneven.mean(2, 10) == pytest.approx((2 * 3 + 6 * 4) / 8)
    assert uneven.mean(3, 5) == pytest.approx((3 + 4) / 2)  # half of either row


def test_the_end_value_is_the_mean_over_the_end_window():
    log = log_of([9, 9, 9, 9, 9, 9, 9, 9, 9, 2, 4], penalty=0)
    assert features(log, printed=[1, 1])["data_loss_end_value"] == 4
    assert features(log, printed=[1, 1], end_window=0.2)["data_loss_end_value"] == 3


@given(st.lists(st.floats(0, 2), min_size=3, max_size=30), st.floats(0.05, 0.95))
def test_a_mean_lies_within_its_rows(values, share):
    found = curve(values)
    mean = found.mean(share * found.steps[-1], found.steps[-1])
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12


def test_midway_lies_between_the_start_and_half_of_log_classes_and_between_rows():
    # Start 0.9, half of log(2) 0.3466: midway is 0.6233, a tenth of the way from 0.63 to 0.5629.
    midway = (0.9 + GUESSING / 2) / 2
    found = steps_to_midway(curve([0.9, midway + 0.01, midway - 0.09, 0.1]), 2, 30)
    assert found == pytest.approx(math.log2(11))
    assert steps_to_midway(curve([3.0, 2.0]), 10, 10) == pytest.approx(math.log2(10 * (3 - 2.0756463) / 1))


def test_a_time_that_is_not_reached_is_the_length_of_the_run():
    assert steps_to_midway(curve([0.9, 0.8]), 2, 4096) == 12
    assert steps_to_midway(curve([0.9, 0.8]), 2, 10) == math.log2(10)


def test_the_shortest_time_to_midway_is_one_step():
    assert steps_to_midway(curve([0.9, 0.1], every=1), 2, 10) == 0
    assert steps_to_midway(curve([0.2, 0.1]), 2, 10) == 0


def test_midway_is_read_off_running_means_so_that_one_easy_mini_batch_is_not_it():
    easy = Curve(numpy.array([0, 1, 2, 4, 8, 16, 32, 48]), numpy.array([0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1]))
    midway = (0.9 + GUESSING / 2) / 2
    assert steps_to_midway(easy, 2, 480) == pytest.approx(math.log2(32 + 16 * (0.9 - midway) / 0.8))
    assert steps_to_midway(easy, 2, 10) == 0  # so short a run has means over one step


def test_the_drift_is_the_slope_over_the_last_two_fifths_in_a_tenth_of_the_steps():
    assert drift(curve([9, 9, 9, 9, 9, 9, 9, 0.4, 0.3, 0.2, 0.1]), 100) == pytest.approx(-0.1)
    assert drift(curve([0.9] * 7 + [0.1, 0.3, 0.3, 0.1]), 100) == pytest.approx(0)
    assert math.isnan(drift(curve([0.9, 0.5], every=100), 100))


def test_objective_data_loss_and_penalty_drift_apart():
    log = log_of([0.9] + [0.1] * 10, penalty=numpy.geomspace(1.0, 0.1, 11))
    found = features(log, printed=[1, 1])
    assert found["data_loss_drift"] == pytest.approx(0)
    assert found["objective_drift"] == pytest.approx(numpy.polyfit(range(4), log["penalty"][-4:], 1)[0])
    assert found["penalty_drift"] == pytest.approx(math.log(0.1) / 10)


def test_equal_compute_is_the_loss_at_the_budget():
    assert features(FALLING, printed=[1, 1], budget_steps=45)["data_loss_equal_compute"] == pytest.approx(0.45)
    assert features(FALLING, printed=[1, 1], budget_steps=100)["data_loss_equal_compute"] == pytest.approx(0.1)
    assert math.isnan(features(FALLING, printed=[1, 1])["data_loss_equal_compute"])
    assert math.isnan(features(FALLING, printed=[1, 1], budget_steps=101)["data_loss_equal_compute"])


def test_a_diverged_run_has_bounds_for_what_it_did_not_show():
    run = {"diverged": True}
    short = features(log_of([0.9, 0.8]), run, decay_step=20, budget_steps=50)
    assert short["data_loss_end_value"] == short["data_loss_equal_compute"] == 0.9
    assert short["objective_end_value"] == 1.0
    assert short["data_loss_initial_decay"] == short["objective_initial_decay"] == 0
    assert short["data_loss_steps_to_midway"] == math.log2(100)
    assert short["printed_end_value"] == short["printed_starting_loss"] == 1.0
    assert math.isnan(short["objective_drift"])
    assert math.isnan(short["data_loss_drift"])
    lower = features(log_of([0.5, 0.4], penalty=0), run, decay_step=20)
    assert lower["data_loss_end_value"] == GUESSING
    assert lower["data_loss_initial_decay"] == pytest.approx(0.5 - GUESSING)
    known = features(log_of([0.9, 0.8, 0.4]), run, decay_step=20)
    assert known["data_loss_initial_decay"] == pytest.approx(0.5)
    assert known["data_loss_steps_to_midway"] < math.log2(20)


@given(st.floats(0.1, 1e12), st.floats(0.1, 3))
def test_a_run_that_ends_ten_times_above_start_and_guessing_has_diverged(end, start):
    log = log_of([start, *[end] * 10], penalty=0.0)
    found = features(log, printed=[end, end], budget_steps=50)
    bound = max(start, GUESSING)
    assert found["diverged"] == (end > 10 * bound)
    shown = [found[name] for name in ("data_loss_end_value", "objective_end_value", "data_loss_equal_compute")]
    assert shown == pytest.approx([bound if found["diverged"] else end] * 3)
    assert start - found["data_loss_initial_decay"] == pytest.approx(bound if found["diverged"] else end)
    # An epoch that broke down says no more of the printed loss than the bound does.
    shown = [found[f"printed_{feature}"] for feature in ("starting_loss", "end_value")]
    assert shown == pytest.approx([min(end, bound) if found["diverged"] else end, bound if found["diverged"] else end])
    assert found["printed_initial_decay"] == 0
    assert math.isnan(found["data_loss_drift"]) or not found["diverged"]


def test_a_penalty_does_not_hide_a_data_loss_that_broke_down():
    log = log_of([0.7] + [40] * 10, penalty=5.0)  # 40 > 10 x 0.7, but 45 < 10 x 5.7
    assert features(log, printed=[1, 1])["diverged"]


def test_a_run_that_diverged_at_once_is_as_bad_as_guessing():
    found = features(FALLING.iloc[:0], {"diverged": True}, budget_steps=50)
    assert found["data_loss_starting_loss"] == found["objective_end_value"] == GUESSING
    assert found["objective_initial_decay"] == found["printed_initial_decay"] == 0
    assert all(math.isfinite(value) for name, value in found.items() if not name.endswith("_drift"))


def printed_of(steps, objectives, steps_per_epoch):
    rows = {"seed": 0, "step": steps, "epoch": numpy.array(steps) / steps_per_epoch, "objective": objectives}
    return printed_losses(pandas.DataFrame(rows), ["seed"])


def test_the_printed_loss_is_the_mean_over_an_epochs_steps():
    found = printed_of([0, 1, 2, 4, 6, 8], [9.0, 1.0, 2.0, 3.0, 4.0, 6.0], 4)
    assert list(found["epoch"]) == [1, 2]
    assert list(found["step"]) == [4, 8]
    assert list(found["printed"]) == pytest.approx([(1 + 2 + 2 * 3) / 4, (2 * 4 + 2 * 6) / 4])


def test_an_epoch_that_a_divergence_cut_short_is_not_printed():
    assert list(printed_of([0, 1, 2, 4, 6], [9.0, 1.0, 2.0, 3.0, 4.0], 4)["epoch"]) == [1]
    assert printed_of([0, 1], [9.0, 1.0], 4).empty
    assert printed_of([], [], 4).empty


@given(st.integers(1, 12), st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_printed_loss_of_whole_rows_is_the_mean_of_the_steps(steps_per_epoch, epochs, random):
    # Every step has a loss; rows hold means since the row before, and one is at every epoch's end.
    total = steps_per_epoch * epochs
    losses = [random.random() for _ in range(total)]
    rows = sorted({0, total} | {e * steps_per_epoch for e in range(epochs)} | {random.randint(0, total)})
    means = [9.0] + [sum(losses[a:b]) / (b - a) for a, b in itertools.pairwise(rows)]
    found = printed_of(rows, means, steps_per_epoch)["printed"]
    expected = [sum(losses[e * steps_per_epoch : (e + 1) * steps_per_epoch]) / steps_per_epoch for e in range(epochs)]
    assert list(found) == pytest.approx(expected)


def test_printed_features_are_read_off_the_epochs():
    run = {"diverged": False, "planned_steps": 200, "steps_per_epoch": 10}
    printed = numpy.arange(20, 0, -1.0)
    found = printed_features(printed, run, 0.1, GUESSING)
    assert found == {"starting_loss": 20, "initial_decay": 1, "end_value": 1.5}
    few = run | {"planned_steps": 30}
    assert printed_features(printed[:3], few, 0.1, GUESSING)["end_value"] == 18


def cross(smaller, larger, every=10):
    return crossing(curve(smaller, every).steps, curve(smaller).values, curve(larger).values)


def test_crossing_always_at_a_step_or_never():
    low, high = [0.5] * 11, [0.6] * 11
    assert cross(high, low) == 0
    assert cross(low, high) == math.inf
    assert cross(low, [0.9, 0.8, 0.7, 0.55, 0.48, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]) == 40
    assert cross(low, [0.4] * 10 + [0.6]) == math.inf  # went back
    assert cross(low, [0.495] * 11) == math.inf  # by less than the margin


@pytest.mark.parametrize(("last", "step"), [((0.6, 0.6, 0.4), math.inf), ((0.6, 0.4, 0.4), 192)])
def test_a_crossing_must_be_seen_for_the_last_tenth(last, step):
    steps = numpy.array([0, 32, 64, 96, 192, 288])
    assert crossing(steps, numpy.full(6, 0.5), numpy.array([0.6] * 3 + list(last))) == step


def test_a_larger_network_that_diverged_never_crosses():
    smaller, larger = [0.6] * 11, [0.4] * 4 + [math.inf] * 7
    assert cross(smaller, larger) == math.inf
    assert cross([0.3] * 4 + [math.inf] * 7, [0.5] * 11) == 40
    assert cross([math.inf] * 11, larger) == math.inf


@given(st.lists(st.floats(0.1, 2), min_size=3, max_size=12), st.floats(0.02, 1))
def test_a_curve_that_is_lower_throughout_has_always_crossed(values, gap):
    assert cross(values, [value - gap for value in values]) == 0


def test_a_crossing_is_of_means_over_a_tenth_so_that_one_hard_mini_batch_does_not_undo_it():
    low, noisy = [0.5] * 101, [0.9] * 40 + [0.3] * 61
    noisy[70] = noisy[95] = 0.6
    assert cross(low, noisy, every=1) == 46
    noisy[95] = 3.0
    assert cross(low, noisy, every=1) == math.inf


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.integers(1, 8))
def test_a_running_mean_is_the_mean_of_its_window(values, window):
    found = running_mean(numpy.arange(len(values)), numpy.array(values), window)
    for last, mean in enumerate(found):
        part = values[max(0, last - window + 1) : last + 1]
        assert mean == pytest.approx(sum(part) / len(part), abs=1e-12)
