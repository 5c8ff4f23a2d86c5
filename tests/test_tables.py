"""Two tables, complete or not at all."""

import itertools

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.analysis.tables import IncompleteTableError, gather_losses, gather_runs, gather_starts

EXPECTED = ["no_l2/width2/seed0", "no_l2/width2/seed1", "no_l2/width8/seed0", "no_l2/width8/seed1"]


def record(width, seed, **values):
    identity = {
        "circumstance": "no_l2",
        "size": f"width{width}",
        "width": width,
        "depth": 20,
        "parameters": 100 * width,
        "seed": seed,
    }
    return (
        identity
        | {"diverged": False, "steps": 2, "settings": {}, "dataset": {"class_counts": {"train": [8, 8]}}}
        | values
    )


def log(width, seed, steps=(0, 1, 2)):
    identity = {
        "circumstance": "no_l2",
        "size": f"width{width}",
        "width": width,
        "depth": 20,
        "parameters": 100 * width,
        "seed": seed,
    }
    rows = [identity | {"step": step, "objective": width + seed / 10 - step / 100} for step in steps]
    return pandas.DataFrame(rows, columns=[*identity, "step", "objective"])


RECORDS = [record(width, seed) for width, seed in itertools.product((2, 8), (0, 1))]
LOGS = [log(width, seed) for width, seed in itertools.product((2, 8), (0, 1))]


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_tables_do_not_depend_on_the_order_in_which_runs_finished(records, logs):
    runs = gather_runs([RECORDS[i] for i in records], EXPECTED)
    pandas.testing.assert_frame_equal(runs, gather_runs(RECORDS, EXPECTED))
    losses = gather_losses([LOGS[i] for i in logs], runs)
    pandas.testing.assert_frame_equal(losses, gather_losses(LOGS, runs))
    assert len(losses) == 12
    assert "settings" not in runs


def test_a_missing_run_is_named():
    with pytest.raises(IncompleteTableError, match=r"run\.json: missing run no_l2/width8/seed0"):
        gather_runs([*RECORDS[:2], RECORDS[3]], EXPECTED)
    with pytest.raises(IncompleteTableError, match=r"losses\.csv: missing run no_l2/width8/seed1"):
        gather_losses(LOGS[:3], gather_runs(RECORDS, EXPECTED))


def test_a_duplicate_run_is_named():
    with pytest.raises(IncompleteTableError, match=r"run\.json: duplicate run no_l2/width2/seed1"):
        gather_runs([*RECORDS, RECORDS[1]], EXPECTED)
    with pytest.raises(IncompleteTableError, match=r"losses\.csv: duplicate run no_l2/width2/seed1"):
        gather_losses([*LOGS, LOGS[1]], gather_runs(RECORDS, EXPECTED))


def test_an_unexpected_run_is_named():
    with pytest.raises(IncompleteTableError, match=r"unexpected run no_l2/width14/seed0"):
        gather_runs([*RECORDS, record(14, 0)], EXPECTED)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (log(2, 0, steps=(0, 1)), "ends at step 1, its run at 2"),
        (log(2, 0, steps=(0, 2, 1)), "its steps are not in order"),
        (log(2, 0, steps=(0, 1, 1, 2)), "its steps are not in order"),
        (pandas.concat([log(2, 0), log(5, 0)]), "also holds rows of no_l2/width5/seed0"),
        (log(2, 0, steps=()), "missing run no_l2/width2/seed0"),
    ],
)
def test_a_spoilt_log_is_an_error(spoilt, message):
    with pytest.raises(IncompleteTableError, match=message):
        gather_losses([spoilt, *LOGS[1:]], gather_runs(RECORDS, EXPECTED))


def test_a_diverged_run_stays_in_the_tables():
    records = [record(2, 0, diverged=True, steps=0), record(2, 1, diverged=True, steps=2), *RECORDS[2:]]
    runs = gather_runs(records, EXPECTED)
    losses = gather_losses([log(2, 0, steps=()), log(2, 1, steps=(0, 1)), *LOGS[2:]], runs)
    assert list(runs["diverged"]) == [True, True, False, False]
    assert len(losses) == 0 + 2 + 3 + 3


def test_a_circumstance_in_which_every_run_diverged_at_once_has_an_empty_table_with_columns():
    runs = gather_runs([record(w, s, diverged=True, steps=0) for w, s in itertools.product((2, 8), (0, 1))], EXPECTED)
    losses = gather_losses([log(w, s, steps=()) for w, s in itertools.product((2, 8), (0, 1))], runs)
    assert losses.empty
    assert list(losses.columns) == list(LOGS[0].columns)


def test_starts_are_shared_and_each_has_its_own_penalty():
    measured = [
        pandas.DataFrame(
            {"circumstance": name, "size": size, "seed": [0, 1], "data_loss": 0.7, "sum_of_squares": 100.0}
        )
        for name, size in (("as_posted", "width2"), ("as_posted", "width8"), ("he_init", "width2"))
    ]
    names = {"no_l2": "as_posted", "as_posted": "as_posted", "he_init": "he_init"}
    starts = gather_starts(measured, names, {"no_l2": 0, "as_posted": 1e-4, "he_init": 1e-4})
    assert list(starts["circumstance"]) == ["no_l2"] * 4 + ["as_posted"] * 4 + ["he_init"] * 2
    assert (starts["objective"] == starts["data_loss"] + starts["penalty"]).all()
    assert list(starts.groupby("circumstance")["penalty"].max()) == [0.01, 0.01, 0]
