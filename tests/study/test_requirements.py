"""What a study needs of its data and of the length of its runs: one line for each key that the data cannot serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import OWN_DATA, default_study, errors_of, study_with

from widthwise.study.requirements import LEAST_ROWS_AT_THE_END, missing_data
from widthwise.study.settings import EvaluationSettings, end_window_start


def requirements(
    *,
    row_interval: int = 2,
    decay_step: int = 4,
    end_window: float = 0.5,
    epochs: int = 3,
    batch_size: int = 4,
    class_weights: list[float] | None = None,
) -> dict:
    return {
        "evaluation": {"row_interval": row_interval, "starting_batches": 1},
        "decay_step": decay_step,
        "end_window": end_window,
        "training": {"no_l2": {"batch_size": batch_size, "epochs": epochs, "class_weights": class_weights}},
    }


@pytest.mark.parametrize("counts", [(12, 12), (23, 1), (24,), (1, 1, 22), (16, 4, 4)])
def test_data_need_not_be_balanced(counts):
    assert missing_data(requirements(), counts) == []


@pytest.mark.parametrize(
    ("changes", "counts", "line"),
    [
        (
            {"batch_size": 25},
            (20, 4),
            "circumstances.no_l2: training.batch_size: 25 given, but there are 24 training samples; write no more than "
            "those",
        ),
        (
            {"class_weights": [1, 2]},
            (8, 8, 8),
            "circumstances.no_l2: training.class_weights: 2 given for 3 classes; write one for each class",
        ),
        (
            {"decay_step": 19},
            (12, 12),
            "circumstances.no_l2: analysis.decay_step: 19 given, but a run has 18 steps; write one of those",
        ),
        (
            {"decay_step": 5},
            (12, 12),
            "circumstances.no_l2: analysis.decay_step: 5 given, but the log has no row there; write a multiple of "
            "evaluation.row_interval, 2",
        ),
        (
            {"row_interval": 4},
            (12, 12),
            "circumstances.no_l2: evaluation.row_interval: 4 given, which leaves 3 rows in the last 9 of 18 steps, "
            "over which the end value is a mean; at least 4 are needed: write a smaller one, or train for more epochs",
        ),
        (
            {"row_interval": 1, "end_window": 0.1},
            (12, 12),
            "circumstances.no_l2: evaluation.row_interval: 1 given, which leaves 2 rows in the last 2 of 18 steps, "
            "over which the end value is a mean; at least 4 are needed: train for more epochs",
        ),
    ],
)
def test_an_error_is_one_line_that_names_the_key(changes, counts, line):
    assert missing_data(requirements(**changes), counts) == [line]


def test_all_errors_of_all_circumstances_are_told_at_once():
    needed = requirements(decay_step=1000)
    needed["training"]["baseline"] = {"batch_size": 4, "epochs": 30, "class_weights": [1]}
    errors = missing_data(needed, (12, 12))
    assert [error.split(": ")[:2] for error in errors] == [
        ["circumstances.no_l2", "analysis.decay_step"],
        ["circumstances.baseline", "training.class_weights"],
        ["circumstances.baseline", "analysis.decay_step"],
    ]


@given(
    row_interval=st.integers(1, 40),
    decay_step=st.integers(1, 200),
    end_window=st.floats(0.01, 1),
    epochs=st.integers(2, 9),
    batch_size=st.integers(2, 40),
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_what_is_accepted_has_the_rows_that_features_need(
    row_interval, decay_step, end_window, epochs, batch_size, counts
):
    needed = requirements(
        row_interval=row_interval, decay_step=decay_step, end_window=end_window, epochs=epochs, batch_size=batch_size
    )
    errors = missing_data(needed, counts)
    if batch_size > sum(counts):
        assert len(errors) == 1
        return
    steps_per_epoch = sum(counts) // batch_size
    evaluation = EvaluationSettings.from_dict(needed["evaluation"])
    rows = [step for step in range(epochs * steps_per_epoch + 1) if evaluation.has_row(step, steps_per_epoch)]
    at_the_end = [step for step in rows if step > end_window_start(rows[-1], end_window)]
    keys = [error.split(": ")[1] for error in errors]
    expected = {
        "analysis.decay_step": decay_step in rows,
        "evaluation.row_interval": len(at_the_end) >= LEAST_ROWS_AT_THE_END,
    }
    assert keys == [key for key, enough in expected.items() if not enough]


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "circumstances.small_batch.overrides.training.batch_size",
            4000,
            "circumstances.small_batch: training.batch_size: 4000 given, but there are 768 training samples",
        ),
        (
            "training.class_weights",
            [1, 2, 3],
            "circumstances.baseline, small_batch, high_learning_rate, high_learning_rate_mup: training.class_weights: "
            "3 given for 2 classes",
        ),
        ("analysis.decay_step", 1000, "circumstances.baseline: analysis.decay_step: 1000 given, but a run has 288 "),
        ("analysis.end_window", 0.05, "circumstances.baseline: evaluation.row_interval: 8 given, which leaves 2 rows"),
    ],
)
def test_synthetic_data_are_checked_with_the_configuration(key, value, line):
    assert any(error.startswith(line) for error in errors_of(("study", ["baseline", "small_batch"]), (key, value)))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"training": {"batch_size": 1000}}, "training.batch_size: 1000 given, but there are 768 training samples"),
        ({"training": {"class_weights": [1, 2, 3]}}, "training.class_weights: 3 given for 2 classes"),
        ({"training": {"batch_size": 384}}, None),  # too few steps for a run, and enough to follow
    ],
)
def test_where_the_first_steps_alone_are_followed_data_are_checked_too(overrides, words):
    entry = {"hypothesis": "a", "source": "b", "reference": "baseline", "overrides": overrides}
    changes = [("circumstances.followed", entry), ("analysis.coordinate_check.circumstances", ["followed"])]
    if words is None:
        study_with(*changes)
        return
    (line,) = errors_of(*changes)
    assert line.startswith(f"circumstances.followed: {words}")


def test_own_data_are_checked_once_they_are_counted():
    study = study_with(*OWN_DATA, ("training.class_weights", [1, 2, 3]))
    assert study.synthetic_summary is None
    assert study.missing_data({"class_counts": {"train": [700, 60, 8], "test": [1, 0, 0]}}) == []
    errors = study.missing_data({"class_counts": {"train": [4, 2], "test": [1, 1]}})
    # One line for all circumstances of which it is true.
    assert len(errors) == 2
    names = ", ".join([*study.judged, *study.coordinate_checks])
    assert all(error.startswith(f"circumstances.{names}: ") for error in errors)
    assert "2 classes" in errors[0]
    assert "there are 6 training samples" in errors[1]


def test_the_default_study_has_what_it_needs():
    study = default_study()
    assert study.synthetic_summary["class_counts"] == {"train": [384, 384], "test": [64, 64]}
    assert study.missing_data(study.synthetic_summary) == []
