"""The speed of a machine: what is timed, what speed fits it, and whole runs beside the estimate."""

import math
import time

import measure_speed
import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from settings import make_arrays, small_run

from widthwise.study.architecture import layers_of, training_flops
from widthwise.study.cost import Speed
from widthwise.study.identity import IDENTITY
from widthwise.training import benchmark
from widthwise.training.benchmark import fitted_speed, samples_per_second, timed_in_turn

CPU = torch.device("cpu")


# The speed that fits


def test_a_speed_is_found_again_from_what_it_takes():
    speed = Speed(3e-4, 5e10)
    layers, flops = numpy.full(6, 20), numpy.geomspace(1e7, 1e9, 6)
    fitted = fitted_speed(layers, flops, speed.seconds_per_sample(layers, flops))
    assert fitted.seconds_per_layer == pytest.approx(3e-4)
    assert fitted.flops_per_second == pytest.approx(5e10)


@given(
    per_layer=st.floats(1e-6, 1e-2),
    rate=st.floats(1e8, 1e13),
    sizes=st.lists(st.tuples(st.integers(3, 60), st.floats(1e5, 1e11)), min_size=2, max_size=6),
)
def test_what_was_measured_without_noise_is_met(per_layer, rate, sizes):
    layers, flops = numpy.array(sizes).T
    seconds = Speed(per_layer, rate).seconds_per_sample(layers, flops)
    fitted = fitted_speed(layers, flops, seconds)
    assert fitted.seconds_per_sample(layers, flops) == pytest.approx(seconds, rel=1e-6)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(1e3, 1e12), st.floats(1e-7, 1e3)), min_size=1, max_size=8),
)
def test_a_speed_is_never_negative(measured):
    layers, flops, seconds = numpy.array(measured).T
    speed = fitted_speed(layers, flops, seconds)
    assert speed.seconds_per_layer >= 0
    assert speed.flops_per_second > 0
    predicted = speed.seconds_per_sample(layers, flops)
    assert numpy.isfinite(predicted).all()
    assert (predicted > 0).all()


@pytest.mark.parametrize(
    ("seconds", "zero"),
    # Sizes of equal depth that take 1, 1.1 and 1.2 s for 1, 2 and 4 units, or less the more they compute.
    [([1.2, 1.1, 1.0], "per_flop"), ([0.5, 1.2, 2.9], "per_layer")],
)
def test_a_part_that_least_squares_would_make_negative_is_zero_and_the_other_fits_alone(seconds, zero):
    layers, flops, seconds = numpy.full(3, 10.0), numpy.array([1e9, 2e9, 4e9]), numpy.array(seconds)
    speed = fitted_speed(layers, flops, seconds)
    assert (speed.seconds_per_layer == 0) == (zero == "per_layer")
    assert math.isinf(speed.flops_per_second) == (zero == "per_flop")

    # No other value of the part that is left has a smaller relative error.
    def error(factor):
        changed = Speed(speed.seconds_per_layer * factor, speed.flops_per_second / factor)
        return ((changed.seconds_per_sample(layers, flops) / seconds - 1) ** 2).sum()

    assert error(1) < min(error(0.99), error(1.01))


# What is timed


def test_calls_are_timed_in_turn(monkeypatch):
    now, order = 0.0, []

    def call(name, seconds):
        def run():
            nonlocal now
            order.append(name)
            now += seconds

        return run

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    seconds = timed_in_turn({"fast": call("fast", 0.125), "slow": call("slow", 1.0)}, turns=2)
    assert seconds == {"fast": [0.125] * 2, "slow": [1.0] * 2}
    # One call that warms the caches, and as many as fill the turn, at least one.
    assert order == (["fast"] * 4 + ["slow"] * 2) * 2


def test_a_size_has_one_row_for_each_method(monkeypatch):
    monkeypatch.setattr(benchmark, "TURN_SECONDS", 0.001)
    monkeypatch.setattr(benchmark, "MATRIX_SIDE", 64)
    run = small_run()
    rows = samples_per_second(run, make_arrays(), 2, CPU, turns=3)
    assert [row["method"] for row in rows] == ["widthwise", "textbook", "limit"]
    layers = layers_of(run.network, 2)
    for row in rows:
        assert list(row)[: len(IDENTITY)] == IDENTITY
        assert row["lower_quartile"] <= row["samples_per_second"] <= row["upper_quartile"]
        assert (row["layers"], row["flops_per_sample"]) == (3, training_flops(layers, 5))


# Whole runs


def whole_runs(samples, **changes):
    speed = Speed(1e-4, 1e10)
    return measure_speed.whole_runs(small_run(**changes), make_arrays(samples=samples), 2, CPU, speed)


def test_whole_runs_are_of_more_epochs_and_on_more_data():
    rows = whole_runs(32)
    assert [(row["axis"], row["epochs"], row["train_cubes"], row["steps"]) for row in rows] == [
        ("epochs", 1, 8, 2),
        ("epochs", 2, 8, 4),
        ("epochs", 4, 8, 8),
        ("data", 1, 16, 4),
        ("data", 1, 32, 8),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    estimated = [row["estimated"] for row in rows]
    assert estimated[:3] == sorted(estimated[:3])
    assert estimated[3:] == sorted(estimated[3:])


@pytest.mark.parametrize(
    ("samples", "parts"), [(15, [7 + 1, 15]), (8, [4, 8]), (7, [4, 7]), (5, [5]), (4, [4])]
)  # a quarter of them is less than a batch of 4, and of some a half too
def test_parts_of_the_data_that_are_smaller_than_a_batch_are_left_out(samples, parts):
    assert [row["train_cubes"] for row in whole_runs(samples) if row["axis"] == "data"] == parts
    of_epochs = [row["train_cubes"] for row in whole_runs(samples) if row["axis"] == "epochs"]
    assert of_epochs == ([4] * 3 if samples == 15 else [])


def test_a_part_without_one_of_the_classes_is_timed_too():
    arrays = make_arrays(samples=16)
    arrays["train/labels"] = numpy.arange(16, dtype=numpy.uint8) % 2  # every fourth is of class 0
    rows = measure_speed.whole_runs(small_run(), arrays, 2, CPU, Speed(1e-4, 1e10))
    assert [row["train_cubes"] for row in rows] == [4, 4, 4, 8, 16]
