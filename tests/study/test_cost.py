"""What a job is estimated to cost: its work, time, memory and disk, and what is asked of a scheduler for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import POSTED, SMALL, cubes, default_study

from widthwise.report.status import work_of
from widthwise.study.architecture import Complexity, complexity_of
from widthwise.study.cost import (
    LEAST_MINUTES,
    REFERENCE,
    Speed,
    Work,
    disk_mb,
    memory_mb,
    requested_mb,
    requested_minutes,
    run_work,
    start_work,
)

DATASET = {"class_counts": {"train": [20, 6], "test": [5, 1]}, "shape": [1, 5, 5, 5]}


def test_the_work_of_a_run_is_its_updates_and_a_third_for_each_sample_that_is_only_measured():
    # 2 epochs of 6 steps of 4 samples (26 leave a rest of 2), 3 batches before any update, 6 test samples.
    complexity = complexity_of(SMALL.network, cubes())
    work = run_work(SMALL, complexity, DATASET)
    assert work.samples == pytest.approx(2 * 6 * 4 + (3 * 4 + 6) / 3)
    assert work.flops_per_sample == complexity.flops_per_sample
    assert (work.layers, work.parameters) == (3, 27 * 2 + 27 * 8 + 2 * 6 + 8 + 2)


def test_the_work_of_starts_is_a_forward_pass_for_each_backbone():
    settings = default_study().start_settings("baseline", "width2")
    settings = replace(settings, initialisations=12, heads_per_backbone=4, starting_batches=5, batch_size=8)
    assert start_work(settings, complexity_of(settings.network, cubes())).samples == pytest.approx(3 * 5 * 8 / 3)


@given(layers=st.integers(1, 60), flops=st.integers(1, 10**12), samples=st.floats(1, 1e6))
def test_time_is_the_sum_of_two_parts(layers, flops, samples):
    work = Work(parameters=1, layers=layers, flops_per_sample=flops, samples=samples)
    whole = Speed(2e-4, 5e10).training_seconds(work)
    parts = [Speed(2e-4, float("inf")).training_seconds(work), Speed(0, 5e10).training_seconds(work)]
    assert whole == pytest.approx(sum(parts))
    assert parts == [pytest.approx(samples * layers * 2e-4), pytest.approx(samples * flops / 5e10)]
    assert requested_minutes(work) * 60 >= REFERENCE.seconds(work) + 60 * LEAST_MINUTES


@given(width=st.integers(1, 30), batch_size=st.integers(2, 64), samples=st.integers(10, 10**7))
def test_more_of_anything_takes_no_less_memory(width, batch_size, samples):
    def memory(*, width=width, batch_size=batch_size, samples=samples):
        dataset = {"class_counts": {"train": [samples, samples]}, "shape": [1, 13, 13, 13]}
        complexity = complexity_of(replace(POSTED.network, width=width), cubes(side=13))
        return memory_mb(complexity, batch_size, dataset)

    assert memory() < memory(width=width + 1)
    assert memory() < memory(batch_size=batch_size + 1)
    assert memory() <= memory(samples=samples + 1)
    assert requested_mb(memory()) >= memory()
    assert requested_mb(memory()) % 100 == 0


def test_images_beyond_what_the_system_keeps_take_no_more_memory():
    many, more = ({"class_counts": {"train": [n]}, "shape": [1, 64, 64, 64]} for n in (10**5, 10**6))
    complexity = Complexity(parameters=1, layers=1, flops_per_sample=1, kept_per_sample=1)
    assert memory_mb(complexity, 4, many) == memory_mb(complexity, 4, more)


def test_a_run_keeps_its_weights_and_a_checkpoint_of_three_times_as_many_numbers():
    work = Work(parameters=1_000_000, layers=1, flops_per_sample=1, samples=1)
    assert disk_mb(work) == pytest.approx(16.1)


def test_the_posted_study_takes_minutes():
    study = default_study()
    works = (work_of(row) for row in study.work(study.synthetic_summary, {}) for _ in range(row["runs"]))
    assert 1e2 < sum(map(REFERENCE.seconds, works)) < 1e4
