"""From tables to verdicts, contrasts, crossovers and best rates."""

import itertools
import math

import numpy
import pandas
import pytest

from widthwise.analysis.comparisons import CONTRAST_COLUMNS, contrasts, crossovers, time_lapse
from widthwise.analysis.inference import Interval
from widthwise.analysis.learning_rates import agreement, best_rates, optimum, rate_slopes, rate_verdicts
from widthwise.analysis.verdicts import COLUMNS, judge_study

SIZES, SEEDS = (100, 200, 400, 800), (0, 1, 2, 3, 4)
EXPECTATIONS = {
    "penalised": {
        "objective": {"end_value": "rises"},
        "data_loss": {"end_value": "rises", "starting_loss": "flat"},
    },
    "plain": {"objective": {"end_value": "falls"}},
}


def tables(penalty_per_doubling=0.3, data_per_doubling=-0.1):
    """Two circumstances whose data losses are alike; in `penalised` a penalty grows with every doubling."""
    generator = numpy.random.default_rng(0)
    runs, starts = [], []
    for seed, (doublings, size) in itertools.product(SEEDS, enumerate(SIZES)):
        data_loss = 1 + data_per_doubling * doublings + 0.01 * generator.standard_normal()
        for circumstance, penalty in (("plain", 0), ("penalised", penalty_per_doubling * doublings)):
            who = {"circumstance": circumstance, "size": f"width{size}", "parameters": size, "seed": seed}
            starts.append(who | {"objective": 0.7 + penalty, "data_loss": 0.7})
            runs.append(
                who
                | {
                    "objective_initial_decay": 0.1 * doublings,
                    "objective_end_value": data_loss + penalty,
                    "data_loss_initial_decay": 0.1 * doublings,
                    "data_loss_steps_to_midway": 2.0 ** (10 - doublings),
                    "data_loss_end_value": data_loss,
                    "flops_per_step": 10 * size,
                    "diverged": False,
                }
            )
    return pandas.DataFrame(runs), pandas.DataFrame(starts)


def row_of(verdicts, circumstance, measure, feature):
    found = verdicts[(verdicts["circumstance"] == circumstance) & (verdicts["measure"] == measure)]
    return found[found["feature"] == feature].iloc[0]


def test_a_verdict_for_every_circumstance_measure_and_feature():
    verdicts = judge_study(*tables(), EXPECTATIONS)
    assert list(verdicts.columns) == COLUMNS
    assert len(verdicts) == 2 * 7
    assert list(verdicts["circumstance"].unique()) == ["plain", "penalised"]
    assert set(verdicts["seeds"]) == {5}
    assert set(verdicts["widths"]) == {4}


def test_expectation_stands_beside_outcome_whichever_way_it_went():
    verdicts = judge_study(*tables(), EXPECTATIONS)
    objective = row_of(verdicts, "penalised", "objective", "end_value")
    data_loss = row_of(verdicts, "penalised", "data_loss", "end_value")
    assert (objective.verdict, objective.expected, objective.agrees) == ("rises", "rises", True)
    assert (data_loss.verdict, data_loss.expected, data_loss.agrees) == ("falls", "rises", False)
    unexpected = row_of(verdicts, "plain", "data_loss", "end_value")
    assert pandas.isna(unexpected.expected)
    assert pandas.isna(unexpected.agrees)
    assert row_of(verdicts, "penalised", "data_loss", "starting_loss").verdict == "flat"


def test_the_size_of_an_effect_is_per_doubling():
    verdicts = judge_study(*tables(), EXPECTATIONS)
    row = row_of(verdicts, "penalised", "objective", "end_value")
    assert row.ci_low < row.slope_per_doubling < row.ci_high
    assert row.slope_per_doubling == pytest.approx(0.2, abs=0.01)
    assert row_of(verdicts, "plain", "data_loss", "steps_to_midway").slope_per_doubling == pytest.approx(-1)


def test_holm_runs_over_starts_and_ends_alone():
    verdicts = judge_study(*tables(), EXPECTATIONS)
    primary = verdicts[verdicts["feature"].isin(["starting_loss", "end_value"])]
    assert len(primary) == 8
    assert primary["p_holm"].notna().all()
    assert (primary["p_holm"] >= primary["p_value"]).all()
    assert verdicts.drop(primary.index)["p_holm"].isna().all()


def test_penalty_share_of_a_rise_is_an_identity():
    verdicts = judge_study(*tables(), EXPECTATIONS)
    # The penalty rises by 0.9, the data loss falls by 0.3: of the objective's 0.6, 1.5 is penalty.
    assert row_of(verdicts, "penalised", "objective", "end_value").penalty_share == pytest.approx(1.5, abs=0.05)
    assert row_of(verdicts, "penalised", "objective", "starting_loss").penalty_share == pytest.approx(1)
    assert math.isnan(row_of(verdicts, "plain", "objective", "end_value").penalty_share)


def test_a_missing_value_is_an_error_that_names_it():
    runs, starts = tables()
    with pytest.raises(ValueError, match="plain: objective initial_decay is missing"):
        judge_study(runs.drop(index=0), starts, EXPECTATIONS)


def test_a_size_that_diverged_is_a_verdict_and_blanks_the_slope():
    runs, starts = tables()
    widest = (runs["parameters"] == 800) & (runs["circumstance"] == "plain")
    runs.loc[widest, ["objective_end_value", "data_loss_end_value", "data_loss_steps_to_midway"]] = math.inf
    runs.loc[widest, "diverged"] = True
    verdicts = judge_study(runs, starts, EXPECTATIONS)
    row = row_of(verdicts, "plain", "objective", "end_value")
    assert (row.verdict, row.diverged, row.agrees) == ("diverged", 5, False)
    assert math.isnan(row.slope_per_doubling)
    assert row_of(verdicts, "plain", "data_loss", "steps_to_midway").verdict == "diverged"


def test_times_that_were_not_reached_are_no_divergence():
    runs, starts = tables()
    runs.loc[runs["parameters"] == 100, "data_loss_steps_to_midway"] = math.inf
    row = row_of(judge_study(runs, starts, EXPECTATIONS), "plain", "data_loss", "steps_to_midway")
    assert (row.verdict, row.diverged) == ("falls", 0)


def test_a_start_that_is_not_a_number_has_diverged():
    runs, starts = tables()
    starts.loc[starts["parameters"] == 800, ["objective", "data_loss"]] = math.nan
    row = row_of(judge_study(runs, starts, EXPECTATIONS), "plain", "objective", "starting_loss")
    assert (row.verdict, row.diverged) == ("diverged", 5)


CONTRAST = {"penalised": {"objective": {"end_value": "rises"}, "data_loss": {"end_value": "falls"}}}


def test_a_contrast_pairs_circumstance_and_reference_by_seed():
    runs, starts = tables()
    runs["objective_end_value"] *= 1 + 1e-4 * runs["seed"]
    found = contrasts(runs, starts, {"penalised": "plain"}, CONTRAST).set_index(["measure", "feature"])
    objective, data_loss = found.loc[("objective", "end_value")], found.loc[("data_loss", "end_value")]
    assert objective.slope_difference == pytest.approx(0.3, rel=1e-3)
    assert objective.difference_at_largest == pytest.approx(0.9, rel=1e-3)
    assert (objective.verdict, objective.agrees) == ("rises", True)
    assert data_loss.slope_difference == data_loss.difference_at_largest == 0
    assert (data_loss.verdict, data_loss.agrees, data_loss.p_value) == ("flat", False, 1)


def test_a_contrast_pairs_sizes_not_parameter_counts():
    runs, starts = tables()
    for table in (runs, starts):  # as where one of the two has no BatchNorm
        table.loc[table["circumstance"] == "plain", "parameters"] -= 7
    assert len(contrasts(runs, starts, {"penalised": "plain"}, {})) == 7


@pytest.mark.parametrize(("shift", "verdict"), [(1e-6, "flat"), (0.016, "flat"), (0.02, "rises"), (-0.02, "falls")])
def test_a_contrast_within_the_margin_is_flat_however_certain(shift, verdict):
    runs, starts = tables()
    bent = runs.query("circumstance == 'plain'").assign(circumstance="bent")
    doublings = numpy.log2(bent["parameters"] / 100)
    bent["objective_end_value"] += shift * doublings * (1 + 0.01 * bent["seed"])
    starts = pandas.concat([starts, starts.query("circumstance == 'plain'").assign(circumstance="bent")])
    found = contrasts(pandas.concat([runs, bent]), starts, {"bent": "plain"}, {})
    # Three doublings from 100 to 800: the margin is 0.05 / 3 a doubling.
    assert found.query("measure == 'objective' and feature == 'end_value'")["verdict"].item() == verdict


def test_a_contrast_with_a_size_that_diverged_has_no_slope_and_no_certainty():
    runs, starts = tables()
    widest = (runs["parameters"] == 800) & (runs["circumstance"] == "penalised")
    runs.loc[widest, ["objective_end_value", "data_loss_end_value"]] = math.inf
    runs.loc[widest, "diverged"] = True
    row = contrasts(runs, starts, {"penalised": "plain"}, CONTRAST).query("feature == 'end_value'").iloc[0]
    assert (row.verdict, row.diverged, row.agrees) == ("diverged", 5, False)
    assert math.isnan(row.slope_difference)
    assert math.isnan(row.p_value)


def test_seeds_that_all_differ_by_the_same_are_no_certainty():
    runs, starts = tables()
    runs = runs[runs["seed"] < 3]
    runs.loc[runs["circumstance"] == "plain", "data_loss_steps_to_midway"] = 8.0
    later = (runs["circumstance"] == "penalised") & (runs["parameters"] == 800)
    runs.loc[runs["circumstance"] == "penalised", "data_loss_steps_to_midway"] = 8.0
    runs.loc[later, "data_loss_steps_to_midway"] = 32.0
    row = contrasts(runs, starts, {"penalised": "plain"}, {}).query("feature == 'steps_to_midway'").iloc[0]
    assert row.ci_low == row.ci_high == 2
    assert (row.p_value, row.verdict) == (0.25, "undecided")


def test_a_circumstance_that_diverged_at_once_has_no_crossing():
    runs = pandas.DataFrame(
        {"circumstance": "plain", "parameters": size, "seed": seed, "flops_per_step": size, "diverged": True}
        for size, seed in itertools.product((100, 200, 400), SEEDS)
    )
    losses = pandas.DataFrame(columns=["circumstance", "parameters", "seed", "step", "objective", "data_loss"])
    assert (crossovers(losses, runs)["crossed"] == 0).all()


def test_a_study_without_contrasts_has_a_table_with_columns():
    assert list(contrasts(*tables(), {}, {}).columns) == CONTRAST_COLUMNS


def test_crossovers_are_counted_over_seeds():
    losses, runs = [], []
    for seed, (size, values) in itertools.product(
        SEEDS, {100: (1.0, 0.9, 0.8), 200: (1.2, 0.8, 0.5), 400: (1.5, 1.4, 1.3)}.items()
    ):
        who = {"circumstance": "plain", "parameters": size, "seed": seed}
        runs.append(who | {"flops_per_step": size, "diverged": False})
        losses += [who | {"step": 10 * i, "objective": v, "data_loss": v} for i, v in enumerate(values)]
    table = crossovers(pandas.DataFrame(losses), pandas.DataFrame(runs))
    steps = table[(table["axis"] == "step") & (table["measure"] == "objective")]
    assert list(steps["pair"]) == ["neighbours", "neighbours", "extremes"]
    assert list(steps["crossed"]) == [5, 0, 0]
    assert list(steps["median_crossover"]) == [10, math.inf, math.inf]


@pytest.mark.parametrize(("offset", "equivalent"), [(0.0, True), (0.02, True), (0.05, False)])
def test_a_time_lapse_is_compared_at_equal_rate_times_steps(offset, equivalent):
    losses = []
    for seed in SEEDS:
        for step in range(0, 101, 10):
            losses.append(
                {"circumstance": "as_posted", "step": step, "data_loss": 1 - step / 200, "learning_rate": 1e-5}
            )
            value = 1 - 10 * step / 200 + offset + 0.001 * seed
            losses.append({"circumstance": "time_lapse", "step": step, "data_loss": value, "learning_rate": 1e-4})
        for row in losses[-22:]:
            row |= {"parameters": 100, "seed": seed, "diverged": False}
    found = time_lapse(pandas.DataFrame(losses))
    assert found["difference"].item() == pytest.approx(offset + 0.002)
    assert found["equivalent"].item() is equivalent
    assert time_lapse(pandas.DataFrame(losses).query("circumstance == 'as_posted'")).empty
    slower = pandas.DataFrame(losses).replace({"learning_rate": {1e-4: 1e-6}})
    assert time_lapse(slower).empty
    diverged = pandas.DataFrame(losses).query("circumstance == 'as_posted' or step == 0")
    found = time_lapse(diverged.assign(diverged=diverged["circumstance"] == "time_lapse"))
    assert not found["equivalent"].any()
    assert found["difference"].isna().all()


def test_a_larger_network_that_diverged_never_wins():
    losses = [
        {"circumstance": "plain", "parameters": size, "seed": seed, "step": step, "objective": loss, "data_loss": loss}
        for size, last, loss in ((100, 30, 0.6), (200, 10, 0.4), (400, 30, 0.7))
        for seed in SEEDS
        for step in range(0, last + 1, 10)
    ]
    runs = [
        {"circumstance": "plain", "parameters": size, "seed": seed, "flops_per_step": size, "diverged": size == 200}
        for size in (100, 200, 400)
        for seed in SEEDS
    ]
    table = crossovers(pandas.DataFrame(losses), pandas.DataFrame(runs)).query("axis == 'step'")
    # 200 lies lower until it diverges; 400 lies higher than 200 until then, and lower ever after.
    assert list(table["crossed"]) == [0, 5, 0] * 2


def test_the_parabolas_lowest_point_by_hand():
    # y = (x + 9.25)^2 through -11 ... -7.
    rates = [-11, -10, -9, -8, -7]
    assert optimum(rates, [(x + 9.25) ** 2 for x in rates]) == (pytest.approx(-9.25), pytest.approx(0), False)
    assert optimum(rates, [1, 2, 3, 4, 5]) == (-11, 1, True)
    assert optimum(rates, [5, 4, 3, 2, math.inf]) == (-8, 2, False)
    assert optimum(rates, [5, 4, 3, 2, 1])[2]


@pytest.mark.parametrize(
    ("low", "high", "falls", "rises", "stays"),
    [
        (-2, -0.3, "yes", "no", "no"),
        (-0.2, -0.1, "yes", "no", "yes"),
        (-0.1, 0.2, "undecided", "undecided", "yes"),
        (-0.1, 0.4, "undecided", "undecided", "undecided"),
        (0.1, 0.4, "no", "yes", "undecided"),
        (math.nan, math.nan, "undecided", "undecided", "undecided"),
    ],
)
def test_an_interval_may_agree_with_more_than_one_expectation(low, high, falls, rises, stays):
    slope = Interval((low + high) / 2, low, high)
    assert [agreement(slope, expected) for expected in ("falls", "rises", "stays")] == [falls, rises, stays]


def test_best_rates_move_as_they_were_made_to():
    rows = []
    for grid, slope in (("standard", -1.0), ("mup", 0.0)):
        for rate, width, seed in itertools.product(range(-12, -3), (4, 8, 16), SEEDS):
            best = -8 + slope * (math.log2(width) - 3) + 0.01 * seed * math.log2(width)
            rows.append(
                {
                    "circumstance": f"{grid}_{rate}",
                    "size": f"width{width}",
                    "diverged": False,
                    "width": width,
                    "parameters": width**2,
                    "seed": seed,
                    "learning_rate": 2.0**rate,
                    "data_loss_end_value": (rate - best) ** 2,
                }
            )
    runs = pandas.DataFrame(rows)
    grids = {grid: [f"{grid}_{rate}" for rate in range(-12, -3)] for grid in ("standard", "mup")}
    best = best_rates(runs, grids)
    slopes = rate_slopes(best, {"standard": "falls", "mup": "falls"}).set_index("grid")
    assert slopes.loc["standard", "slope"] == pytest.approx(-0.98)
    assert slopes.loc["mup", "slope"] == pytest.approx(0.02)
    assert slopes.loc["standard - mup", "slope"] == pytest.approx(-1)
    assert slopes.loc["standard", "ci_low"] < -0.98 < slopes.loc["standard", "ci_high"]
    assert list(slopes["verdict"]) == ["falls", "stays", "falls"]
    assert list(slopes["agrees"])[:2] == [True, False]
    verdicts = rate_verdicts(runs, best, grids, 8).set_index(["grid", "learning_rate"])
    assert verdicts.loc[("standard", 2.0**-12), "verdict"] == "falls"
    assert verdicts.loc[("standard", 2.0**-4), "verdict"] == "rises"
    assert verdicts.loc[("standard", 2.0**-12), "at_or_below_best"]
    assert not verdicts.loc[("standard", 2.0**-4), "at_or_below_best"]
    # Width 4's best is 2^-7, width 8's 2^-8, width 16's 2^-9.
    for base_width, highest in ((4, -7), (8, -8), (16, -9), (32, -7)):
        below = rate_verdicts(runs, best, grids, base_width).query("grid == 'standard' and at_or_below_best")
        assert below["learning_rate"].max() == 2.0**highest
    above = {"standard": [name for name in grids["standard"] if int(name.split("_")[1]) >= -6]}
    assert not rate_verdicts(runs, best_rates(runs, above), above, 8)["at_or_below_best"].any()
    narrow = {grid: names[:4] for grid, names in grids.items()}
    censored = rate_slopes(best_rates(runs, narrow), {}).set_index("grid")
    assert censored.loc["standard", "censored"] > 0
    assert math.isnan(censored.loc["standard", "slope"])
    assert censored.loc["standard", "verdict"] == "undecided"
