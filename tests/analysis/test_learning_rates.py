"""Best and highest stable learning rates: by hand, and as they were made to move with width."""

import itertools
import math
from dataclasses import replace

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_of_runs import MEMBERS, WIDTHS, grid_of, runs_of

from widthwise.analysis.comparisons import curves_of_study
from widthwise.analysis.features import run_features
from widthwise.analysis.inference import Interval
from widthwise.analysis.learning_rates import (
    Grid,
    OwnBest,
    agreement,
    best_rate_slope,
    best_rates,
    budgets_table,
    choices_table,
    ends_no_higher,
    movement,
    optimum,
    rates_table,
    slopes_table,
    stable_rate_slope,
    verdicts_table,
)

RUNS = list(itertools.product(range(3), range(3), (4, 8, 16)))  # rate, seed, width
END_WINDOW = 0.1


def test_the_parabolas_lowest_point_by_hand():
    # y = (x + 9.25)^2 through -11 ... -7.
    rates, usable = [-11, -10, -9, -8, -7], [True] * 5
    values = [(x + 9.25) ** 2 for x in rates]
    assert optimum(rates, values, usable) == (pytest.approx(-9.25), pytest.approx(0, abs=1e-12), "inside")
    assert optimum([-11, -10, -8.9, -8, -7], [(x + 9.25) ** 2 for x in (-11, -10, -8.9, -8, -7)], usable)[0] == (
        pytest.approx(-9.25)
    )


def test_an_optimum_at_the_grids_edge_is_censored():
    rates, usable = [-11, -10, -9], [True] * 3
    assert optimum(rates, [1, 2, 3], usable) == (-11, 1, "lower edge")
    assert optimum(rates, [3, 2, 1], usable) == (-9, 1, "upper edge")


def test_a_rate_at_which_a_run_diverged_is_not_the_best():
    rates, values = [-12, -11, -10, -9], [3, 2, 3, 1]
    assert optimum(rates, values, [True, True, True, False])[0] == -11
    # Beside a neighbour that is not higher, or of which only a bound is known, there is no parabola.
    assert optimum(rates, [3, 2, 1, 0], [True, True, True, False]) == (-10, 1, "inside")
    assert optimum(rates, [3, 2, 1, 9], [True, True, True, False]) == (-10, 1, "inside")
    found = optimum(rates, [1, 1, 1, 1], [False] * 4)
    assert math.isnan(found[0])
    assert found[2] == "no rate"


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.4])
def test_best_rates_move_as_they_were_made_to(slope):
    grid = grid_of(slope=slope)
    found = best_rates(grid)
    assert found.log2_rates == pytest.approx([-8 + slope * (math.log2(width) - 3) for width in WIDTHS], abs=0.05)
    assert not found.censored.any()
    interval = best_rate_slope(grid).interval
    assert interval.low < slope < interval.high
    assert movement(interval) == {-1.0: "falls", 0.0: "stays", 0.4: "rises"}[slope]


def test_the_difference_of_two_grids_is_paired_by_seed():
    standard, mup = (best_rate_slope(grid_of(slope=slope)) for slope in (-1.0, -0.02))
    difference = standard.less(mup).interval
    assert difference.estimate == pytest.approx(-0.98, abs=0.01)
    # Seeds move both alike.
    assert difference.high - difference.low < (standard.interval.high - standard.interval.low) / 2


def test_a_censored_width_leaves_no_slope():
    grid = Grid.of(runs_of(), MEMBERS[:4])  # up to 2^-9, below the best of widths 4 to 16
    slope = best_rate_slope(grid)
    assert slope.censored == 3
    assert math.isnan(slope.interval.estimate)
    assert movement(slope.interval) == "undecided"
    table = rates_table({"rates": grid}).set_index("width")
    assert table["optimum"].tolist() == ["upper edge"] * 3 + ["inside"]
    assert table.loc[4, "ci_low"] == -math.inf


def test_a_width_is_censored_where_one_seed_decides_that_it_is_not():
    runs = runs_of(jitter=0)
    runs.loc[(runs["width"] == 4) & (runs["seed"] == 0) & (runs["learning_rate"] == 2.0**-7), "data_loss_end_value"] = (
        1e-9
    )
    falling = (runs["width"] == 4) & (runs["seed"] > 0)
    runs.loc[falling, "data_loss_end_value"] = 0.1 - runs.loc[falling, "learning_rate"]
    assert best_rates(Grid.of(runs, MEMBERS)).places == ["edge without a seed", "inside", "inside", "inside"]


def test_one_seed_has_no_interval():
    grids = {"rates": grid_of(seeds=[0], slope=-1.0)}
    slope = best_rate_slope(grids["rates"])
    assert slope.censored == 0
    assert slope.interval == Interval(pytest.approx(-1, abs=0.05), -math.inf, math.inf)
    assert verdicts_table(grids, {"rates": {}}, 8)["learning_rate"].notna().all()
    assert choices_table(grids).empty


@pytest.mark.parametrize(
    ("low", "high", "falls", "rises", "stays"),
    [
        (-2, -0.3, "yes", "no", "no"),
        (-0.2, -0.1, "yes", "no", "yes"),
        (-0.1, 0.2, "undecided", "undecided", "yes"),
        (-0.1, 0.4, "undecided", "undecided", "undecided"),
        (0.1, 0.4, "no", "yes", "undecided"),
        (-math.inf, math.inf, "undecided", "undecided", "undecided"),
    ],
)
def test_an_interval_may_agree_with_more_than_one_expectation(low, high, falls, rises, stays):
    slope = Interval(0, low, high)
    assert [agreement(slope, expected) for expected in ("falls", "rises", "stays")] == [falls, rises, stays]


def test_the_highest_stable_rate_falls_with_width():
    # The limit is 2^-4 at width 4 and a doubling lower with each doubling of width; one seed is a doubling worse.
    grid = grid_of(unstable_from=lambda seed, width: -3 - math.log2(width) - (seed == 3))
    table = rates_table({"rates": grid}).set_index("width")
    assert table["log2_highest_stable"].tolist() == [-7, -8, -9, -10]
    slope, censored = stable_rate_slope(grid)
    assert censored == 0
    assert slope.estimate == pytest.approx(-1)
    # Rates a factor of 2 apart leave the limits open by half a doubling each way.
    assert (slope.low, slope.high) == pytest.approx((-1 - 0.4, -1 + 0.4))
    assert movement(slope) == "falls"


def test_a_stable_rate_at_the_grids_end_is_censored():
    slope, censored = stable_rate_slope(grid_of())
    assert (math.isnan(slope.estimate), censored) == (True, 4)
    assert rates_table({"rates": grid_of()})["all_stable"].all()


@pytest.mark.parametrize(
    ("limit", "low", "high", "verdict"),
    [
        (lambda width: 0 if width == 4 else -2 - math.log2(width), -math.inf, -0.6, "falls"),  # above the grid
        (lambda width: -20 if width == 32 else -math.log2(width) - 3, -math.inf, -1, "falls"),  # below it
        (lambda width: -20 if width == 4 else -6, 0, math.inf, "rises"),
        (lambda width: 0 if width in (4, 32) else -6, -math.inf, math.inf, "undecided"),
    ],
)
def test_a_limit_beyond_the_grid_bounds_its_slope_on_one_side(limit, low, high, verdict):
    grid = grid_of(unstable_from=lambda seed, width: limit(width))
    slope, censored = stable_rate_slope(grid)
    table = rates_table({"rates": grid})
    assert censored == (table["log2_highest_stable"].isna() | table["all_stable"]).sum()
    assert slope.low == low if math.isinf(low) else slope.low > low
    assert slope.high == high if math.isinf(high) else slope.high < high
    assert movement(slope) == verdict


def test_a_width_in_the_middle_does_not_move_the_slope_of_the_stable_rate():
    grid = grid_of(unstable_from=lambda seed, width: {4: -5, 8: 0, 16: -7, 32: 9}[width])
    of_three = replace(
        grid,
        widths=grid.widths[:3],
        parameters=grid.parameters[:3],
        **{name: getattr(grid, name)[:, :, :3] for name in ("losses", "guessing", "diverged")},
    )
    slope, censored = stable_rate_slope(of_three)
    assert (slope.estimate, censored, movement(slope)) == (pytest.approx(-1), 1, "falls")


def test_stable_rates_of_one_seed_have_no_interval():
    slope, _ = stable_rate_slope(grid_of(seeds=[0], unstable_from=lambda seed, width: -2 - math.log2(width)))
    assert slope == Interval(pytest.approx(-1), -math.inf, math.inf)


def test_no_stable_rate_is_known_where_all_are_above_guessing():
    table = rates_table({"rates": grid_of(unstable_from=lambda seed, width: -20 if width == 4 else -6)})
    assert numpy.isnan(table["log2_highest_stable"]).tolist() == [True, False, False, False]


def test_a_loss_above_guessing_is_not_stable_but_noise_is():
    runs = runs_of(jitter=0)
    noisy = runs["learning_rate"] == 2.0**-12
    assert (rates_table({"r": Grid.of(runs, MEMBERS)})["log2_highest_stable"] == -4).all()
    runs.loc[noisy, "data_loss_end_value"] = 0.72
    assert (rates_table({"r": Grid.of(runs, MEMBERS)})["log2_highest_stable"] == -4).all()
    runs.loc[noisy, "data_loss_end_value"] = 0.78
    assert rates_table({"r": Grid.of(runs, MEMBERS)})["log2_highest_stable"].isna().all()


def test_each_width_is_evaluated_on_the_seed_left_out():
    runs = runs_of(jitter=0)
    # Seed 0 is a little better at a rate that is bad for all others: it must not choose it for itself.
    lucky = (runs["seed"] == 0) & (runs["learning_rate"] == 2.0**-4)
    runs.loc[lucky, "data_loss_end_value"] = 0.009
    own = OwnBest.of(Grid.of(runs, MEMBERS))
    assert own.ends == pytest.approx(numpy.full((4, 4), 0.01), abs=1e-4)
    assert not own.at_edge.any()
    table = choices_table({"rates": Grid.of(runs, MEMBERS)})
    chosen = table.merge(runs, on=["width", "seed", "learning_rate"], validate="one_to_one")
    assert len(chosen) == 4 * 4
    assert (chosen["end_value"] == chosen["data_loss_end_value"]).all()


def test_a_left_out_seed_that_diverged_has_diverged():
    runs = runs_of(jitter=0)
    lost = (runs["seed"] == 0) & (runs["width"] == 32) & (runs["learning_rate"] == 2.0**-10)
    runs.loc[lost, ["diverged", "data_loss_end_value"]] = [True, 0.7]
    grid = Grid.of(runs, MEMBERS)
    own = OwnBest.of(grid)
    assert own.diverged.sum() == 1
    assert own.ends[0, 3] == 0.7
    row = verdicts_table({"rates": grid}, {"rates": {}}, 8).iloc[-1]
    assert (row["diverged"], row["at_edge"], row["ci_high"]) == (1, 0, math.inf)


@pytest.mark.parametrize(("kept", "low", "high"), [(slice(3, None), True, False), (slice(None, 5), False, True)])
def test_a_best_rate_at_the_edge_bounds_the_end_from_above(kept, low, high):
    """From 2^-9 on, wide networks' best rates lie below the grid; up to 2^-8, narrow ones' above it."""
    grid = Grid.of(runs_of(slope=-1.1), MEMBERS[kept])
    row = verdicts_table({"rates": grid}, {"rates": {"end_at_own_best_rate": "no higher"}}, 8).iloc[-1]
    assert 0 < row["at_edge"] < 16
    assert (math.isinf(row["ci_low"]), math.isinf(row["ci_high"])) == (low, high)
    assert row["verdict"] not in ("rises" if low else "falls", "flat")


def test_ends_at_own_best_rates_without_an_effect_seldom_differ():
    """The choices share seeds: as if they did not, the interval would exclude 0 in about twice 5% of such studies."""
    excluded = []
    for study in range(300):
        generator = numpy.random.default_rng(study)
        losses = numpy.exp(-2 + 0.4 * generator.standard_normal((4, 3, 4)))
        losses[[0, -1]] = 1  # never chosen
        rates, seeds, widths = (2.0 ** numpy.arange(-12, -8), numpy.arange(3), numpy.array(WIDTHS))
        grid = Grid(rates, seeds, widths, widths**2, losses, numpy.full(losses.shape, 0.7), losses > 2)
        row = verdicts_table({"rates": grid}, {"rates": {}}, 8).iloc[-1]
        excluded.append(row["ci_low"] > 0 or row["ci_high"] < 0)
    assert 0 < numpy.mean(excluded) < 0.06


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (-0.1, 0.04, "yes"),
        (-math.inf, 0.04, "yes"),
        (0.06, 0.2, "no"),
        (0.06, math.inf, "no"),
        (0.01, 0.2, "undecided"),
        (-math.inf, math.inf, "undecided"),
    ],
)
def test_no_higher_is_known_by_the_upper_limit(low, high, found):
    assert ends_no_higher("undecided", low, high) == found
    assert ends_no_higher("mixed", low, high) == "undecided"


def test_slopes_stand_beside_what_was_expected():
    grids = {"standard": grid_of(slope=-1.0), "mup": grid_of(slope=0.0)}
    falls = {"best_learning_rate": "falls"}
    table = slopes_table(grids, {"standard": falls, "mup": falls}).set_index(["grid", "quantity"])
    assert table.loc[("standard", "best"), "verdict"] == "falls"
    assert table.loc[("standard", "best"), "agrees"] == "yes"
    assert table.loc[("mup", "best"), "verdict"] == "stays"
    assert table.loc[("mup", "best"), "agrees"] == "undecided"  # the interval contains 0
    assert pandas.isna(table.loc[("mup", "highest_stable"), "agrees"])


def test_verdicts_at_every_rate_and_at_each_widths_own():
    grid = grid_of()
    table = verdicts_table({"rates": grid}, {"rates": {}}, 8).set_index("learning_rate")
    assert table.loc[2.0**-12, "verdict"] == "falls"
    assert table.loc[2.0**-4, "verdict"] == "rises"
    assert set(table["base_width"]) == {8}
    own = table[table.index.isna()].iloc[0]
    assert own.verdict == "flat"
    assert pandas.isna(own.at_or_below_best)


@pytest.mark.parametrize(("base_width", "highest"), [(4, -7), (16, -10), (32, -11), (64, -7)])
def test_rates_up_to_the_base_widths_best(base_width, highest):
    grid = grid_of(slope=-1.1)
    table = verdicts_table({"rates": grid}, {"rates": {}}, base_width)
    # The best rates are 2^-6.9, 2^-9.1 and 2^-10.2 at widths 4, 16 and 32.
    assert table.loc[table["at_or_below_best"].fillna(False), "learning_rate"].max() == 2.0**highest


def test_an_optimum_at_the_lower_edge_has_no_rates_below_it():
    above = Grid.of(runs_of(), MEMBERS[6:])  # from 2^-6 on, above every width's best
    assert not verdicts_table({"rates": above}, {"rates": {}}, 8)["at_or_below_best"].fillna(False).any()


# Budgets


def losses_of(last_steps=None, *, broken=(), interval=4, planned=400, seed=0):
    """losses.csv and runs.csv of three rates whose rows are noise about a trend with width.

    Args:
        last_steps: the last logged step of runs that diverge, by rate, seed and width.
        broken: runs whose losses grow a thousandfold after half of the steps, by rate, seed and width.
        interval: steps from row to row.
        planned: steps of a run.
        seed: of the noise.
    """
    logged = numpy.array([step for step in range(planned + 1) if step % interval == 0 or step in (1, 2, planned)])
    generator = numpy.random.default_rng(seed)
    logs, runs = [], []
    for rate, replicate, width in RUNS:
        last = (last_steps or {}).get((rate, replicate, width))
        trend = 0.7 + 0.1 * (rate - 1) * math.log2(width / 4) * logged / planned
        rows = pandas.DataFrame({"step": logged, "data_loss": trend + 0.05 * generator.standard_normal(len(logged))})
        rows.loc[((rate, replicate, width) in broken) & (rows["step"] > planned / 2), "data_loss"] *= 1000
        rows = rows if last is None else rows[rows["step"] <= last]
        run = {"circumstance": f"rates_{rate}", "width": width, "parameters": width**2, "seed": replicate}
        facts = {"learning_rate": 2.0**rate, "classes": 2, "diverged": last is not None, "planned_steps": planned}
        found = run_features(
            rows, None, facts, decay_step=None, end_window=END_WINDOW, budget_steps=None, has_midway=False
        )
        logs.append(rows.assign(**run))
        runs.append(run | facts | found)
    return pandas.concat(logs, ignore_index=True), pandas.DataFrame(runs)


def budgets_of(losses, runs):
    """The table of budgets, and the table of verdicts beside it."""
    grids = {"rates": Grid.of(runs, runs["circumstance"].unique())}
    curves = [found for found in curves_of_study(losses, None, runs) if found.measure == "data_loss"]
    return budgets_table(grids, {"rates": curves}, END_WINDOW), verdicts_table(grids, {"rates": {}}, 8)


LOST = st.dictionaries(st.sampled_from([run for run in RUNS if run[0] > 0]), st.integers(0, 61), max_size=12)
# From 31 rows on, four begin in the last tenth of the steps, as a study must have them.
STUDIES = st.builds(
    lambda rows, interval, seed: {"interval": interval, "planned": rows * interval, "seed": seed},
    rows=st.integers(31, 60),
    interval=st.integers(2, 12),
    seed=st.integers(0, 99),
)


@settings(max_examples=30, deadline=None)
@given(lost=LOST, broken=st.sets(st.sampled_from(RUNS), max_size=3), study=STUDIES)
def test_the_last_budget_is_the_whole_training(lost, broken, study):
    budgets, verdicts = budgets_of(*losses_of(lost, broken=broken, **study))
    last = budgets[budgets["steps"] == study["planned"]].set_index("learning_rate")
    whole = verdicts.dropna(subset="learning_rate").set_index("learning_rate")
    assert list(last.index) == list(whole.index) == [1, 2, 4]
    columns = ["verdict", "change", "ci_low", "ci_high", "seeds"]
    pandas.testing.assert_frame_equal(last[columns], whole[columns], rtol=1e-9)
    assert last["diverged"].sum() == len({*lost, *broken})


@settings(max_examples=30, deadline=None)
@given(data=st.data(), lost=LOST, study=STUDIES)
def test_a_budget_depends_on_the_rows_up_to_it(data, lost, study):
    losses, runs = losses_of(lost, **study)
    before, _ = budgets_of(losses, runs)
    steps = data.draw(st.sampled_from(sorted(before["steps"].unique())[:-1]))
    # What comes later may be anything: other losses, or another run that diverges.
    later = losses["step"] > steps
    losses.loc[later, "data_loss"] = 3 * numpy.random.default_rng(1).random(later.sum())
    ending = data.draw(st.sampled_from([run for run in RUNS if run[0] > 0 and run not in lost]))
    of_run = dict(zip(("circumstance", "seed", "width"), (f"rates_{ending[0]}", *ending[1:]), strict=True))
    is_ending = (losses[list(of_run)] == of_run).all(axis="columns")
    after, _ = budgets_of(losses[~(is_ending & later)], runs)
    keys = ["learning_rate", "steps"]
    assert after[keys].equals(before[keys])
    pandas.testing.assert_frame_equal(after[after["steps"] <= steps], before[before["steps"] <= steps])
    of_rate = (after["learning_rate"] == 2.0 ** ending[0]) & (after["steps"] > steps)
    assert (after["diverged"] - before["diverged"] == of_rate).all()


def test_budgets_are_halves_and_quarters_of_the_steps_at_every_rate():
    # At the highest rate every run diverges before a row is due; its budgets are those of the others.
    lost = {run: 1 for run in RUNS if run[0] == 2}
    budgets, _ = budgets_of(*losses_of(lost, interval=8, planned=384))
    for _, of_rate in budgets.groupby("learning_rate"):
        # At 48 steps, the mean of four rows would be over two thirds of the steps: that is no end.
        assert of_rate["steps"].to_list() == [96, 192, 384]
    assert set(budgets.loc[budgets["learning_rate"] == 4, "verdict"]) == {"diverged"}
    trends = budgets[budgets["steps"] == 384].set_index("learning_rate")["change"]
    assert trends.loc[[1, 2]].to_list() == pytest.approx([-0.2, 0], abs=0.05)
    losses, runs = losses_of(lost, interval=8, planned=384)
    with_none, _ = budgets_of(losses[losses["circumstance"] != "rates_2"], runs)
    pandas.testing.assert_frame_equal(with_none, budgets)
