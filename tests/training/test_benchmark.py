"""The speed of a machine: what is timed, what speed fits it, and whole runs beside the estimate."""

import math
import time

import measure_speed
import numpy
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from settings import cubes, make_arrays, small_run

from widthwise.study.architecture import complexity_of, layers_of
from widthwise.study.cost import Speed
from widthwise.study.identity import IDENTITY
from widthwise.training import benchmark
from widthwise.training.alternatives import AlternativeError
from widthwise.training.benchmark import Roofline, fitted_speed, samples_per_second, timed_in_turn

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


@pytest.fixture
def small_benchmark(monkeypatch):
    """Makes the benchmark take milliseconds, without the alternatives that are installed here."""
    monkeypatch.setattr(benchmark, "TURN_SECONDS", 0.001)
    monkeypatch.setattr(benchmark, "MATRIX_SIDE", 64)
    monkeypatch.setattr(benchmark, "available", lambda run: {})


def rows_of(run):
    complexity = complexity_of(small_run().network, cubes())
    return samples_per_second(run, complexity, make_arrays(), cubes(), CPU, turns=3)


def test_a_size_has_one_row_for_each_method(small_benchmark):
    rows = rows_of(small_run())
    assert [row["method"] for row in rows] == ["widthwise", "textbook", "roofline", "limit"]
    complexity = complexity_of(small_run().network, cubes())
    for row in rows:
        assert list(row)[: len(IDENTITY)] == IDENTITY
        assert row["lower_quartile"] <= row["samples_per_second"] <= row["upper_quartile"]
        assert (row["layers"], row["flops_per_sample"]) == (3, complexity.flops_per_sample)


class Stub:
    """An alternative without a process: it trains unless it is broken."""

    def __init__(self, train, job):
        if train == "broken":
            raise AlternativeError("ImportError: needs another version")

    def advance(self):
        """Takes a step."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_alternatives_are_timed_too_and_one_that_does_not_train_is_left_out_with_a_word(
    small_benchmark, monkeypatch, caplog
):
    monkeypatch.setattr(benchmark, "Alternative", Stub)
    monkeypatch.setattr(benchmark, "available", lambda run: {"lightning": "broken", "keras_torch": "sound"})
    methods = [row["method"] for row in rows_of(small_run())]
    assert methods == ["widthwise", "textbook", "keras_torch", "roofline", "limit"]
    assert caplog.messages == ["lightning is left out: ImportError: needs another version"]


def test_the_table_has_a_column_for_each_method_and_each_ratio():
    rates = {"widthwise": 90.0, "textbook": 60.0, "lightning": 45.0, "roofline": 180.0, "limit": 360.0}
    table = pandas.DataFrame(
        {"size": size, "parameters": count, "method": method, "samples_per_second": rate / count}
        for size, count in (("width10", 200), ("width2", 20))
        for method, rate in rates.items()
    )
    by_method = measure_speed.rates_by_method(table)
    assert by_method.index.tolist() == [("width2", 20), ("width10", 200)]
    assert by_method.columns.tolist() == list(rates)
    relative = measure_speed.relative_to_others(by_method).round(9)
    assert relative.to_dict("records") == 2 * [
        {"times_textbook": 1.5, "times_lightning": 2.0, "share_of_roofline": 0.5, "share_of_limit": 0.25}
    ]


# The roofline


@given(width=st.integers(1, 40), side=st.integers(1, 12), normalisation=st.sampled_from(["batch", "none"]))
def test_the_roofline_counts_empty_lanes_and_passes(width, side, normalisation):
    run, task = small_run(network={"width": width, "normalisation": normalisation}), cubes(side=side)
    roofline = Roofline(run, task)
    first, second, head = layers_of(run.network, task)
    voxels, halved = side**3, ((side + 1) // 2) ** 3
    # The first layer has no gradient of its inputs.
    flops = 4 * first.weights * voxels + 6 * second.weights * halved + 6 * head.weights
    if width % 16 == 0:  # the head has two outputs
        assert roofline.flops - flops == 4 * 2 * width * 14
    else:
        assert roofline.flops > flops
    passes = 8 if normalisation == "batch" else 5
    assert roofline.bytes == 4 * passes * (width * voxels + 2 * width * halved)
    # A copy of the largest output of a mini-batch reads and writes it.
    copied = 2 * 4 * run.training.batch_size * max(width * voxels, 2 * width * halved)
    assert roofline.seconds_per_sample(float("inf"), 1.0) == pytest.approx(roofline.bytes / copied)
    assert roofline.seconds_per_sample(1.0, 0.0) == roofline.flops


# Whole runs


COMPLEXITY = complexity_of(small_run().network, cubes())


def whole_runs(samples, **changes):
    speed = Speed(1e-4, 1e10)
    return measure_speed.whole_runs(small_run(**changes), COMPLEXITY, make_arrays(samples=samples), cubes(), CPU, speed)


def test_whole_runs_are_of_more_epochs_and_on_more_data():
    rows = whole_runs(32)
    assert [(row["axis"], row["epochs"], row["train_samples"], row["steps"]) for row in rows] == [
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
    assert [row["train_samples"] for row in whole_runs(samples) if row["axis"] == "data"] == parts
    of_epochs = [row["train_samples"] for row in whole_runs(samples) if row["axis"] == "epochs"]
    assert of_epochs == ([4] * 3 if samples == 15 else [])


def test_a_part_without_one_of_the_classes_is_timed_too():
    arrays = make_arrays(samples=16)
    arrays["train/labels"] = numpy.arange(16, dtype=numpy.uint8) % 2  # every fourth is of class 0
    rows = measure_speed.whole_runs(small_run(), COMPLEXITY, arrays, cubes(), CPU, Speed(1e-4, 1e10))
    assert [row["train_samples"] for row in rows] == [4, 4, 4, 8, 16]
