"""What a job is estimated to cost: its work, time, memory and disk, and what is asked of a scheduler for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import POSTED, SMALL, default_study

from widthwise.study.architecture import layers_of, training_flops
from widthwise.study.cost import (
    LEAST_MINUTES,
    REFERENCE,
    Speed,
    Work,
    disk_mb,
    memory_mb,
    outputs_per_sample,
    requested_mb,
    requested_minutes,
    run_work,
    start_work,
)

DATASET = {"class_counts": {"train": [20, 6], "test": [5, 1]}, "cube_side": 5}


def test_the_work_of_a_run_is_its_updates_and_a_third_for_each_sample_that_is_only_measured():
    # 2 epochs of 6 steps of 4 samples (26 leave a rest of 2), 3 batches before any update, 6 test samples.
    work = run_work(SMALL, DATASET)
    assert work.samples == pytest.approx(2 * 6 * 4 + (3 * 4 + 6) / 3)
    assert work.flops_per_sample == training_flops(layers_of(SMALL.network, 2), 5)
    assert (work.layers, work.parameters) == (3, 27 * 2 + 27 * 8 + 2 * 6 + 8 + 2)


def test_the_work_of_starts_is_a_forward_pass_for_each_backbone():
    settings = default_study().start_settings("baseline", "width2")
    settings = replace(settings, initialisations=12, heads_per_backbone=4, starting_batches=5, batch_size=8)
    assert start_work(settings, DATASET).samples == pytest.approx(3 * 5 * 8 / 3)


@given(layers=st.integers(1, 60), flops=st.integers(1, 10**12), samples=st.floats(1, 1e6))
def test_time_is_the_sum_of_two_parts(layers, flops, samples):
    work = Work(parameters=1, layers=layers, flops_per_sample=flops, samples=samples)
    whole = Speed(2e-4, 5e10).training_seconds(work)
    parts = [Speed(2e-4, float("inf")).training_seconds(work), Speed(0, 5e10).training_seconds(work)]
    assert whole == pytest.approx(sum(parts))
    assert parts == [pytest.approx(samples * layers * 2e-4), pytest.approx(samples * flops / 5e10)]
    assert requested_minutes(work) * 60 >= REFERENCE.seconds(work) + 60 * LEAST_MINUTES


def test_outputs_of_a_sample():
    # 2 filters of 5^3 voxels, 4 of 3^3, 2 logits.
    assert outputs_per_sample(layers_of(SMALL.network, 2), 5) == 2 * 125 + 4 * 27 + 2


@given(width=st.integers(1, 30), batch_size=st.integers(2, 64), samples=st.integers(10, 10**7))
def test_more_of_anything_takes_no_less_memory(width, batch_size, samples):
    def memory(*, width=width, batch_size=batch_size, samples=samples):
        dataset = {"class_counts": {"train": [samples, samples]}, "cube_side": 13}
        return memory_mb(replace(POSTED.network, width=width), batch_size, dataset)

    assert memory() < memory(width=width + 1)
    assert memory() < memory(batch_size=batch_size + 1)
    assert memory() <= memory(samples=samples + 1)
    assert requested_mb(memory()) >= memory()
    assert requested_mb(memory()) % 100 == 0


def test_images_beyond_what_the_system_keeps_take_no_more_memory():
    many, more = ({"class_counts": {"train": [n]}, "cube_side": 64} for n in (10**5, 10**6))
    assert memory_mb(SMALL.network, 4, many) == memory_mb(SMALL.network, 4, more)


def test_a_run_keeps_its_weights_and_a_checkpoint_of_three_times_as_many_numbers():
    work = Work(parameters=1_000_000, layers=1, flops_per_sample=1, samples=1)
    assert disk_mb(work) == pytest.approx(16.1)


def test_the_posted_study_takes_minutes():
    study = default_study()
    works = [run_work(study.run_settings(run.circumstance, run.size, run.seed), study.synthetic_summary)
             for run in study.runs()]  # fmt: skip
    assert 1e2 < sum(map(REFERENCE.seconds, works)) < 1e4
