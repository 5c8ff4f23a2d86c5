"""From the tables of runs and starts to verdicts."""

import math
from dataclasses import replace

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_of_runs import BACKBONES, SEEDS, SIZES, tables

from widthwise.analysis.inference import holm
from widthwise.analysis.verdicts import (
    LEVELS,
    all_responses,
    catalogue_p_values,
    feature_means,
    judge_study,
    level_of,
    plateau,
    starting_response,
)
from widthwise.study.requirements import FEATURES, LEAST_SIZES

EXPECTATIONS = {
    "penalised": {
        "objective": {"end_value": "rises"},
        "data_loss": {"end_value": "rises", "starting_loss": "flat"},
    },
    "plain": {"objective": {"end_value": "falls"}},
}
RUNS, STARTS = tables()
ROWS = sum(len(features) for features in FEATURES.values())


def judged(runs=RUNS, starts=STARTS, circumstances=("plain", "penalised")):
    verdicts = judge_study(all_responses(runs, starts, circumstances, LEAST_SIZES), EXPECTATIONS, LEVELS)
    return verdicts.set_index(["circumstance", "measure", "feature"]).sort_index()


def test_there_is_a_verdict_for_every_circumstance_measure_and_feature():
    verdicts = judge_study(all_responses(RUNS, STARTS, ["plain", "penalised"], LEAST_SIZES), EXPECTATIONS, LEVELS)
    assert len(verdicts) == 2 * ROWS
    assert list(verdicts["circumstance"].unique()) == ["plain", "penalised"]


def test_an_expectation_stands_beside_its_outcome_whichever_way_it_went():
    verdicts = judged()
    objective = verdicts.loc["penalised", "objective", "end_value"]
    data_loss = verdicts.loc["penalised", "data_loss", "end_value"]
    assert (objective.verdict, objective.expected, objective.agrees) == ("rises", "rises", True)
    assert (data_loss.verdict, data_loss.expected, data_loss.agrees) == ("falls", "rises", False)
    unexpected = verdicts.loc["plain", "data_loss", "end_value"]
    assert pandas.isna(unexpected.expected)
    assert pandas.isna(unexpected.agrees)


def test_the_size_of_an_effect_is_from_the_smallest_to_the_largest():
    verdicts = judged()
    row = verdicts.loc["penalised", "objective", "end_value"]
    assert row.change == pytest.approx(0.6, abs=0.02)
    assert row.slope_per_doubling == pytest.approx(row.change / 3)
    assert verdicts.loc["plain", "data_loss", "steps_to_midway"].slope_per_doubling == pytest.approx(-1, abs=0.01)


def test_the_family_of_a_circumstance_spends_five_percent():
    family = [level_of(measure, feature) for measure in ("objective", "data_loss") for feature in FEATURES[measure]]
    assert sum(level for level in family if level < 0.05) == pytest.approx(0.05)
    assert level_of("objective", "starting_loss") == 0.0025
    assert level_of("data_loss", "end_value") == 0.0225
    assert level_of("printed", "end_value") == level_of("data_loss", "initial_decay") == 0.05
    verdicts = judged().reset_index()
    assert all(row.level == level_of(row.measure, row.feature) for row in verdicts.itertuples())


def test_the_replicate_of_starts_is_the_backbone():
    verdicts = judged()
    start, end = verdicts.loc["plain", "data_loss", "starting_loss"], verdicts.loc["plain", "data_loss", "end_value"]
    assert (start.seeds, end.seeds) == (BACKBONES, len(SEEDS))
    assert start.verdict == "flat"  # heads vary by 0.1, backbones by 0.002
    more_heads = pandas.concat([STARTS.assign(head=STARTS["head"] + 3 * copy) for copy in range(4)])
    again = judged(starts=more_heads).loc["plain", "data_loss", "starting_loss"]
    assert (again.ci_low, again.ci_high) == pytest.approx((start.ci_low, start.ci_high))


def test_a_verdict_depends_on_no_other_circumstance():
    together, alone = judged(), judged(circumstances=["plain"])
    same = [column for column in alone.columns if column != "p_catalogue"]
    pandas.testing.assert_frame_equal(together.loc[["plain"], same], alone[same])


OWN = all_responses(RUNS, STARTS, ["plain"], LEAST_SIZES)
ALONE = judge_study(OWN, EXPECTATIONS, LEVELS)["verdict"].tolist()


@given(st.lists(st.floats(-0.5, 0.5), max_size=5))
@settings(max_examples=30)
def test_no_neighbour_changes_a_verdict(shifts):
    neighbours = {
        (f"other{i}", *key[1:]): replace(response, values=response.values + shift * response.doublings)
        for i, shift in enumerate(shifts)
        for key, response in OWN.items()
    }
    assert judge_study(OWN | neighbours, EXPECTATIONS, LEVELS)["verdict"].tolist()[: len(ALONE)] == ALONE


def table_of(table, name, shift, columns):
    """The plain circumstance under another name, with something that grows with size added to some columns."""
    copy = table[table["circumstance"] == "plain"].assign(circumstance=name)
    for column in columns:
        copy[column] += shift * numpy.log2(copy["parameters"] / 100)
    return copy


def test_holm_runs_over_the_primary_rows_of_distinct_circumstances():
    verdicts = judged().reset_index()
    primary = verdicts[verdicts["level"] < 0.05]
    assert len(primary) == 8
    assert primary["p_catalogue"].notna().all()
    assert verdicts.drop(primary.index)["p_catalogue"].isna().all()
    # Data losses are alike in the two, and the reported loss of one is its data loss: they are one test each.
    tests = primary.drop_duplicates(["feature", "p_value"])
    assert len(tests) == 4
    assert tests["p_catalogue"].tolist() == pytest.approx(list(holm(tests["p_value"])))


def test_a_circumstance_that_repeats_another_counts_once():
    repeated = pandas.concat([RUNS, table_of(RUNS, "again", 0, [])])
    starts = pandas.concat([STARTS, table_of(STARTS, "again", 0, [])])
    verdicts = judged(repeated, starts, ["plain", "penalised", "again"])
    before = judged()
    for feature in ("starting_loss", "end_value"):
        own = verdicts.loc["again", "objective", feature].p_catalogue
        assert own == verdicts.loc["plain", "objective", feature].p_catalogue
        assert own == before.loc["plain", "objective", feature].p_catalogue


def test_other_runs_that_diverged_are_other_runs():
    copy = table_of(RUNS, "again", 0, [])
    copy.loc[copy.index[0], "diverged"] = True
    starts = pandas.concat([STARTS, table_of(STARTS, "again", 0, [])])
    responses = all_responses(pandas.concat([RUNS, copy]), starts, ["plain", "again"], LEAST_SIZES)
    p_values = {key: 0.5 if key[::2] == ("again", "end_value") else 0.001 for key in responses}
    adjusted = catalogue_p_values(responses, p_values, LEVELS)
    # Without a penalty, starts are the same test in both losses and circumstances; ends are two.
    assert set(adjusted.values()) == {0.003, 0.5}
    assert adjusted["again", "data_loss", "starting_loss"] == adjusted["plain", "objective", "starting_loss"] == 0.003
    assert adjusted["again", "data_loss", "end_value"] == 0.5


def test_equal_compute_is_judged_where_three_sizes_have_it():
    assert judged().loc["plain", "data_loss", "equal_compute"].sizes == 3
    few = RUNS.assign(data_loss_equal_compute=RUNS["data_loss_equal_compute"].where(RUNS["parameters"] > 200))
    assert ("plain", "data_loss", "equal_compute") not in judged(few).index


@pytest.mark.parametrize("column", ["objective_initial_decay", "data_loss_end_value"])
def test_a_missing_value_is_an_error_that_names_it(column):
    with pytest.raises(ValueError, match="plain: objective initial_decay: 19 values for 5 seeds of 4 sizes"):
        judged(RUNS.drop(index=0))
    with pytest.raises(
        ValueError, match=f"plain: {column.replace('loss_', 'loss ').replace('ive_', 'ive ')}: .* not fin"
    ):
        judged(RUNS.assign(**{column: RUNS[column].where(RUNS["seed"] > 0)}))


def test_a_circumstance_without_runs_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"absent: runs\.csv has no runs"):
        judged(circumstances=["absent"])


def test_a_size_that_diverged_is_a_verdict_without_a_change():
    widest = (RUNS["parameters"] == 800) & (RUNS["circumstance"] == "plain")
    row = judged(RUNS.assign(diverged=widest)).loc["plain", "objective", "end_value"]
    assert (row.verdict, row.diverged, row.agrees) == ("diverged", 5, False)
    assert math.isnan(row.change)
    assert math.isnan(row.p_catalogue)


def test_times_at_the_horizon_are_no_divergence_but_never_flat():
    horizon = RUNS.assign(data_loss_steps_to_midway=10.0)
    row = judged(horizon).loc["plain", "data_loss", "steps_to_midway"]
    assert (row.verdict, row.diverged, row.change) == ("undecided", 0, 0)
    falls = RUNS["data_loss_steps_to_midway"].where(RUNS["parameters"] > 100, 10.0)
    assert judged(RUNS.assign(data_loss_steps_to_midway=falls)).loc[
        "plain", "data_loss", "steps_to_midway"
    ].verdict == ("falls")


def test_a_start_that_is_not_finite_has_diverged():
    starts = STARTS.copy()
    starts.loc[starts["parameters"] == 800, ["objective", "data_loss"]] = math.nan
    row = judged(starts=starts).loc["plain", "objective", "starting_loss"]
    assert (row.verdict, row.diverged) == ("diverged", BACKBONES)
    plain = starts[starts["circumstance"] == "plain"]
    # At least as bad as guessing.
    assert starting_response(plain, "data_loss", math.log(2)).values[0, -1] == math.log(2)


def test_one_head_that_is_not_finite_spoils_its_backbone():
    starts = STARTS.copy()
    one = (starts["parameters"] == 800) & (starts["backbone"] == 0) & (starts["head"] == 1)
    starts.loc[one, ["objective", "data_loss"]] = math.nan
    row = judged(starts=starts).loc["plain", "data_loss", "starting_loss"]
    assert (row.verdict, row.diverged) == ("undecided", 1)


def test_means_by_size():
    some = RUNS.assign(diverged=(RUNS["parameters"] == 800) & (RUNS["seed"] == 0))
    horizon = some["data_loss_steps_to_midway"].where(some["parameters"] > 100, 10.0)
    some = some.assign(data_loss_steps_to_midway=horizon)
    means = feature_means(all_responses(some, STARTS, ["plain"], LEAST_SIZES), some)
    means = means.set_index(["measure", "feature", "parameters"])
    assert len(means) == (ROWS - 2) * len(SIZES) + 2 * 3
    row = means.loc["objective", "end_value", 200]
    values = RUNS.query("circumstance == 'plain' and parameters == 200")["objective_end_value"]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["ci_low"] < row["mean"] < row["ci_high"]
    assert (row["size"], row["seeds"], row["plateau"], row["diverged"]) == ("width200", 5, "moving", 0)
    assert means.loc["data_loss", "end_value", 200]["plateau"] == "unresolved"
    assert means.loc["printed", "end_value", 200]["plateau"] == "moving"
    assert pandas.isna(means.loc["data_loss", "initial_decay", 200]["plateau"])
    lost = means.loc["objective", "end_value", 800]
    assert math.isnan(lost["mean"])
    assert lost["diverged"] == 1
    assert means.loc["data_loss", "steps_to_midway", 100]["at_horizon"] == 5
    assert means.loc["data_loss", "starting_loss", 100]["seeds"] == BACKBONES


# The loss dropped by 0.6: 2% of that is 0.012.
@pytest.mark.parametrize(
    ("drifts", "found"),
    [
        ([-0.004, -0.002, 0.0, 0.002, 0.004], "settled"),
        ([-0.005, -0.004, -0.005, -0.004, -0.005], "settled"),  # for certain, but by little
        ([-0.02, -0.019, -0.021, -0.02, -0.018], "moving"),
        ([-0.0112, -0.0111, -0.0113, -0.0110, -0.0114], "moving"),  # within 2% of the drop, but not within 0.01 nats
        ([0.03, 0.02, 0.025, 0.021, 0.028], "moving"),
        ([-0.05, 0.04, -0.03, 0.05, 0.0], "unresolved"),
        ([-0.002], "unresolved"),  # one seed says nothing of seeds
        ([math.nan] * 5, None),  # too few rows
    ],
)
def test_a_plateau_is_an_interval_of_drifts_within_the_margin(drifts, found):
    runs = pandas.DataFrame({"data_loss_drift": drifts, "data_loss_starting_loss": 0.7, "data_loss_end_value": 0.1})
    assert plateau(runs.assign(diverged=False), "data_loss") == found
    assert plateau(runs.assign(diverged=True), "data_loss") == "diverged"
    some = numpy.arange(len(runs)) == 0
    if len(runs) > 1:
        assert plateau(runs.assign(diverged=some), "data_loss") == "some diverged"
    assert plateau(runs.assign(diverged=False, data_loss_end_value=0.7), "data_loss") != "settled"  # never dropped
    small_drop = plateau(runs.assign(diverged=False, data_loss_end_value=0.6), "data_loss")  # 2% of it is 0.002
    assert small_drop != "settled"


@given(st.integers(3, 6), st.integers(0, 10**6))
def test_a_smaller_drift_of_every_seed_never_unsettles(seeds, state):
    drifts = numpy.random.default_rng(state).normal(0, 0.01, seeds)
    runs = pandas.DataFrame({"data_loss_drift": drifts, "data_loss_starting_loss": 0.7, "data_loss_end_value": 0.1})
    runs["diverged"] = False
    if plateau(runs, "data_loss") == "settled":
        assert plateau(runs.assign(data_loss_drift=drifts / 2), "data_loss") == "settled"
