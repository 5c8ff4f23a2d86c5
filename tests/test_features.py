"""Each feature on curves whose features anybody can read off."""

import math

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.analysis.features import crossover, end_value, initial_decay, is_plateau, run_features, steps_to_midway

TENTH = 0.1


def curve(values, every=10):
    return pandas.Series(values, index=[i * every for i in range(len(values))], dtype=float)


def test_initial_decay_is_nats_lost_by_the_step():
    falling = curve([1.0, 0.7, 0.5])
    assert initial_decay(falling, 10, diverged=False) == pytest.approx(0.3)
    assert initial_decay(falling, 15, diverged=False) == pytest.approx(0.4)
    assert initial_decay(falling, 30, diverged=True) == -math.inf
    assert initial_decay(falling, 10, diverged=True) == pytest.approx(0.3)


def test_midway_lies_between_the_start_and_half_of_log_classes():
    # Start 0.9, half of log(2) 0.3466: midway is 0.6233.
    assert steps_to_midway(curve([0.9, 0.63, 0.62, 0.1]), classes=2) == 20
    assert steps_to_midway(curve([0.9, 0.8]), classes=2) == math.inf
    assert steps_to_midway(curve([3.0, 2.0]), classes=10) == 10  # midway from 3 to 1.1513 is 2.0756


def test_end_value_is_the_mean_of_the_end_window():
    assert end_value(curve([9, 9, 9, 9, 9, 9, 9, 9, 9, 2, 4]), TENTH) == 3
    assert end_value(curve([9, 9, 9, 9, 9, 9, 9, 9, 9, 2, 4]), 0.2) == 5


@pytest.mark.parametrize(
    ("last", "plateau"),
    [
        ([0.5, 0.499, 0.498], True),
        ([0.5, 0.495, 0.489], False),  # fell by 0.011
        ([0.5, 0.501, 0.502], True),  # rose
    ],
)
def test_a_plateau_has_fallen_by_under_a_hundredth_in_the_last_fifth(last, plateau):
    assert is_plateau(curve([1.5, 1, 1, 1, 1, 1, 1, 1, *last])) is plateau


def test_a_loss_that_never_fell_is_level_or_not_by_its_last_fifth():
    assert is_plateau(curve([0.69] * 11))
    assert is_plateau(curve([0.7, 0.8, 0.9, *[0.9] * 8]))
    assert not is_plateau(curve([0.7, *[0.8] * 8, 0.9, 1.1]))


def test_a_plateau_is_judged_between_sparse_evaluations_too():
    assert not is_plateau(pandas.Series([1.0, 0.9, 0.5], index=[0, 50, 100]))


def test_a_fall_of_two_percent_of_the_whole_is_no_plateau():
    shallow = curve([0.700, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.598, 0.5975])
    assert not is_plateau(shallow)  # 0.0025 of 0.1025 lost


def test_crossover_always_at_a_step_or_never():
    low, high = curve([0.5] * 11), curve([0.6] * 11)
    assert crossover(smaller=high, larger=low) == 0
    assert crossover(smaller=low, larger=high) == math.inf
    crossing = curve([0.9, 0.8, 0.7, 0.55, 0.48, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
    assert crossover(smaller=low, larger=crossing) == 40
    assert crossover(smaller=low, larger=curve([0.6] * 10 + [0.4])) == math.inf  # for less than the last tenth
    back = curve([0.4] * 10 + [0.6])
    assert crossover(smaller=low, larger=back) == math.inf


@pytest.mark.parametrize(("last", "step"), [((0.6, 0.6, 0.4), math.inf), ((0.6, 0.4, 0.4), 192)])
def test_a_crossing_seen_at_the_last_logged_step_alone_is_none(last, step):
    steps = [0, 32, 64, 96, 192, 288]
    smaller = pandas.Series([0.5] * 6, index=steps)
    assert crossover(smaller, pandas.Series([0.6] * 3 + list(last), index=steps)) == step


def test_crossover_against_flops_compares_where_both_are_known():
    smaller, larger = curve([1.0, 0.8, 0.6, 0.4, 0.2]), curve([1.0, 0.5, 0.2, 0.1, 0.05])
    assert crossover(smaller, larger) == 10
    # Four times the cost of a step: at step 10 the larger has cost what the smaller has at its last.
    larger.index = larger.index * 4
    assert crossover(smaller, larger) == math.inf


def test_crossover_with_runs_that_diverged():
    smaller, larger = curve([0.6] * 11), curve([0.4] * 4)
    assert crossover(smaller, larger, diverged=(False, True)) == math.inf
    assert crossover(curve([0.3] * 4), curve([0.5] * 11), diverged=(True, False)) == 40
    assert crossover(curve([]), larger, diverged=(True, False)) == 0
    assert crossover(smaller, curve([]), diverged=(False, True)) == math.inf


@given(st.lists(st.floats(0.1, 2), min_size=3, max_size=12), st.floats(0.02, 1))
def test_a_curve_that_is_lower_throughout_has_always_crossed(values, gap):
    assert crossover(curve(values), curve([value - gap for value in values])) == 0


def test_a_diverged_run_keeps_its_place():
    log = pandas.DataFrame({"step": [0, 1], "objective": [1.0, 2.0], "data_loss": [0.9, 1.9]})
    features = run_features(log, diverged=True, decay_step=5, end_window=TENTH, classes=2)
    assert features["objective_end_value"] == features["data_loss_end_value"] == math.inf
    assert features["data_loss_initial_decay"] == -math.inf
    assert features["data_loss_steps_to_midway"] == math.inf
    assert features["plateau"] is False
    at_once = run_features(log.iloc[:0], diverged=True, decay_step=5, end_window=TENTH, classes=2)
    assert at_once == features
