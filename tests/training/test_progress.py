"""The line that tells how far a run has come: written by one program, read by another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.training.progress import LINE, Progress, last_progress

STEPS = st.integers(0, 10**6)
LOSSES = st.floats(0, 1e6)


@given(step=STEPS, steps=STEPS, data_loss=LOSSES, penalty=LOSSES, rate=st.floats(0, 1e6), left=st.floats(0, 1e6))
def test_what_is_written_is_read(step, steps, data_loss, penalty, rate, left):
    objective = data_loss + penalty
    line = LINE % (step, steps, objective, data_loss, penalty, 0.5, step, rate, left)
    read = last_progress(f"2026-01-01 12:00:00,000 train: {line}\n")
    assert (read.step, read.steps) == (step, steps)
    assert read.objective == pytest.approx(objective, abs=1e-4)
    assert read.samples_per_second == pytest.approx(rate, abs=0.1)
    assert read.seconds_left == pytest.approx(left, abs=1)


def test_the_last_line_counts_and_others_do_not():
    lines = [LINE % (step, 9, 1, 0.5, 0.5, 1, step, 10, 9 - step) for step in (1, 2)]
    log = f"train: step 3 of 9 was never logged so\n{lines[0]}\nTraceback\n{lines[1]}\ntrain: 0.1 s\n"
    assert last_progress(log) == Progress(2, 9, 1, 10, 7)
    assert last_progress("train: starts\n") is None
    assert last_progress("") is None


def test_before_the_first_update_nothing_is_known_of_the_time():
    assert math.isnan(last_progress(LINE % (0, 9, 1, 0.5, 0.5, 1, 0, 0, math.nan)).seconds_left)
