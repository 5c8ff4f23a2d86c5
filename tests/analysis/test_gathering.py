"""Many runs become one table, complete or not at all."""

import itertools
import math

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.analysis.gathering import (
    Expected,
    IncompleteTableError,
    budget_steps,
    differences,
    gather_circumstance,
    gather_starts,
)

WIDTHS, SEEDS, STEPS = (2, 3, 8), (0, 1), 20
RUNS = list(itertools.product(WIDTHS, SEEDS))
EXPECTED = [f"no_l2/width{width}/seed{seed}" for width, seed in RUNS]


def identity(width, seed):
    return {
        "circumstance": "no_l2",
        "size": f"width{width}",
        "width": width,
        "depth": 20,
        "parameters": 100 * width,
        "seed": seed,
    }


def record(width, seed, **values):
    facts = {
        "learning_rate": 1e-5,
        "batch_size": 8,
        "diverged": False,
        "steps": STEPS,
        "planned_steps": STEPS,
        "steps_per_epoch": 5,
        "classes": 2,
        "sittings": 1,
        "seconds": 1.0,
        "samples_per_second": 1.0,
        "flops_per_step": 1000 * width,
        "test_data_loss": None,
        "test_accuracy": None,
        "median_root_second_moment": None,
        "share_below_epsilon": None,
        "device": "cpu",
        "threads": 1,
        "losses_digest": "",
    }
    return identity(width, seed) | facts | {"settings": {}, "dataset": {}} | values


def log(width, seed, steps=tuple(range(STEPS + 1))):
    steps = list(steps)
    rows = {
        "step": steps,
        "epoch": [step / 5 for step in steps],
        "objective": [1 - step / 50 + seed / 100 for step in steps],
        "data_loss": [0.9 - step / 50 + seed / 100 for step in steps],
        "penalty": 0.1,
        "accuracy": 0.5,
        "sum_of_squares": 1000.0,
    }
    return pandas.DataFrame(identity(width, seed) | rows)


RECORDS = [record(*run) for run in RUNS]
LOGS = [log(*run) for run in RUNS]


def gather(records=RECORDS, logs=LOGS, expected=EXPECTED):
    return gather_circumstance(records, logs, expected, decay_step=4, end_window=0.2)


@given(st.permutations(range(len(RUNS))), st.permutations(range(len(RUNS))))
@settings(max_examples=10)
def test_tables_do_not_depend_on_the_order_in_which_runs_finished(records, logs):
    tables, expected = gather([RECORDS[i] for i in records], [LOGS[i] for i in logs]), gather()
    for name, table in expected.items():
        pandas.testing.assert_frame_equal(tables[name], table)


def test_runs_have_their_facts_and_features():
    tables = gather()
    runs = tables["runs"]
    assert len(tables["losses"]) == len(RUNS) * (STEPS + 1)
    assert len(tables["printed"]) == len(RUNS) * 4
    assert runs["objective_initial_decay"].tolist() == pytest.approx([0.08] * 6)
    assert runs["objective_end_value"].tolist() == pytest.approx([1 - 18.5 / 50 + seed / 100 for _, seed in RUNS])
    assert not runs["diverged"].any()
    assert runs["classes"].unique() == [2]


def test_equal_compute_is_at_the_middle_sizes_budget():
    runs = gather()["runs"].set_index(["width", "seed"])
    assert runs.loc[2, "data_loss_equal_compute"].isna().all()
    assert runs.loc[(3, 0), "data_loss_equal_compute"] == pytest.approx(0.9 - 20 / 50)
    assert runs.loc[(8, 0), "data_loss_equal_compute"] == pytest.approx(0.9 - 20 * 3 / 8 / 50)


def test_the_middle_size_has_its_own_budget_to_the_step():
    runs = pandas.DataFrame(
        {"parameters": [1, 2, 3], "planned_steps": 2304, "flops_per_step": [0.1, 34052075616.3, 1e12]}
    )
    assert budget_steps(runs)[1] == 2304
    assert math.isnan(budget_steps(runs)[0])


@pytest.mark.parametrize(
    ("records", "logs", "message"),
    [
        ([*RECORDS[:2], *RECORDS[3:]], LOGS, r"run\.json: missing no_l2/width3/seed0"),
        ([*RECORDS, RECORDS[1]], LOGS, r"run\.json: duplicate no_l2/width2/seed1"),
        ([*RECORDS, record(14, 0)], LOGS, r"run\.json: unexpected no_l2/width14/seed0"),
        (RECORDS, LOGS[:5], r"losses\.csv: missing no_l2/width8/seed1"),
        (RECORDS, [*LOGS, LOGS[1]], r"losses\.csv: duplicate no_l2/width2/seed1"),
        (RECORDS, [log(2, 0, ()), *LOGS[1:]], r"losses\.csv: missing no_l2/width2/seed0"),
        (RECORDS, [log(2, 0, (0, 2, 1)), *LOGS[1:]], "must ascend"),
        (RECORDS, [log(2, 0, (0, 1, 1, 20)), *LOGS[1:]], "must ascend"),
        (RECORDS, [log(2, 0, (1, 20)), *LOGS[1:]], "must ascend from 0"),
        (RECORDS, [pandas.concat([log(2, 0), log(5, 0)]), *LOGS[1:]], "also holds rows of no_l2/width5/seed0"),
        (RECORDS, [log(2, 0, range(STEPS)), *LOGS[1:]], "no_l2/width2/seed0: ends at step 19 of 20"),
        ([record(2, 0, steps=10), *RECORDS[1:]], [log(2, 0, range(11)), *LOGS[1:]], "seed0: ends at step 10 of 20"),
    ],
)
def test_a_table_that_is_not_complete_is_an_error_that_names_the_run(records, logs, message):
    with pytest.raises(IncompleteTableError, match=message):
        gather(records, logs)


def test_a_diverged_run_may_end_early_or_at_once():
    records = [record(2, 0, diverged=True, steps=0), record(2, 1, diverged=True, steps=7), *RECORDS[2:]]
    tables = gather(records, [log(2, 0, ()), log(2, 1, range(7)), *LOGS[2:]])
    assert tables["runs"]["diverged"].tolist() == [True, True, False, False, False, False]
    assert len(tables["losses"]) == 7 + 4 * (STEPS + 1)
    assert tables["printed"].groupby(["width", "seed"]).size()[2, 1] == 1


def test_a_circumstance_in_which_every_run_diverged_at_once_has_empty_tables_with_columns():
    tables = gather([record(*run, diverged=True, steps=0) for run in RUNS], [log(*run, ()) for run in RUNS])
    assert tables["losses"].empty
    assert tables["printed"].empty
    assert list(tables["losses"].columns) == list(LOGS[0].columns)
    assert (tables["runs"]["data_loss_end_value"] == math.log(2)).all()


def test_a_run_made_with_other_settings_is_told_apart():
    made = {"settings": {"training": {"epochs": 8, "l2": 1e-4}, "seed": 0}, "dataset": {"digest": "a"}}
    assert differences(made, Expected(made["settings"], "a")) == ""
    other = {"training": {"epochs": 16, "l2": 1e-4}, "seed": 0}
    assert differences(made, Expected(other, "a")) == "training.epochs is 8, not 16"
    assert "another dataset" in differences(made, Expected(made["settings"], "b"))
    assert "training.l2 is 0.0001, not missing" in differences(made, Expected({"training": {"epochs": 8}}, "a"))


def starts(name, size, count=4):
    rows = {"backbone": [0, 0, 1, 1][:count], "head": [0, 1, 0, 1][:count], "data_loss": 0.7, "sum_of_squares": 100.0}
    network = {"circumstance": name, "size": size, "width": 2, "depth": 20, "parameters": 100}
    return pandas.DataFrame(network | rows)


SOURCES = {"no_l2": "baseline", "baseline": "baseline", "he_init": "he_init"}
SIZES = {"no_l2": ["width2", "width3"], "baseline": ["width2", "width3"], "he_init": ["width2"]}
L2 = {"no_l2": 0, "baseline": 1e-4, "he_init": 1e-4}
MEASURED = [starts("baseline", "width2"), starts("baseline", "width3"), starts("he_init", "width2")]


def test_starts_are_shared_and_each_has_its_own_penalty():
    found = gather_starts(MEASURED, SOURCES, SIZES, L2, 4)
    assert list(found["circumstance"]) == ["no_l2"] * 8 + ["baseline"] * 8 + ["he_init"] * 4
    assert (found["objective"] == found["data_loss"] + found["penalty"]).all()
    assert found.groupby("circumstance")["penalty"].max().to_dict() == {"baseline": 0.01, "he_init": 0.01, "no_l2": 0}


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (MEASURED[:2], "missing he_init/width2"),
        ([*MEASURED, MEASURED[0]], "duplicate baseline/width2"),
        ([*MEASURED, starts("sgd", "width2")], "unexpected sgd/width2"),
        ([starts("baseline", "width2", 3), *MEASURED[1:]], "baseline/width2 has 3 initialisations, not 4"),
    ],
)
def test_starts_are_complete_or_an_error(measured, message):
    with pytest.raises(IncompleteTableError, match=message):
        gather_starts(measured, SOURCES, SIZES, L2, 4)
