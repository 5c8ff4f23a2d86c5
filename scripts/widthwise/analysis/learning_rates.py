"""The best learning rate against width: where it lies for each seed and size, and how it moves.

A parabola in log2 of the rate through a seed's lowest end value and its two neighbours on the grid; a lowest value
at the grid's edge is censored, since the best rate lies outside. It must not know files or figures.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy
import pandas

from widthwise.analysis.inference import Interval, mean_interval, page_p_value
from widthwise.analysis.verdicts import judge, response_of

OPTIMUM_COLUMNS = ["grid", "width", "parameters", "seed", "log2_rate", "end_value", "censored"]
SLOPE_COLUMNS = ["grid", "slope", "ci_low", "ci_high", "seeds", "censored", "verdict", "expected", "agrees"]
EQUIVALENCE = 0.25  # doublings per doubling of width within which a best rate, or another power of width, "stays"


def optimum(log2_rates: Sequence[float], end_values: Sequence[float]) -> tuple[float, float, bool]:
    """The parabola's lowest point: log2 of its rate, its value, and whether it is censored.

    `log2_rates` ascend evenly; a diverged run's end value is infinite. Beside an infinite neighbour there is no
    parabola: the lowest grid point itself is taken.
    """
    rates, values = numpy.asarray(log2_rates, dtype=float), numpy.asarray(end_values, dtype=float)
    lowest = int(numpy.argmin(values))
    if lowest in (0, len(values) - 1):
        return float(rates[lowest]), float(values[lowest]), True
    left, middle, right = values[lowest - 1 : lowest + 2]
    curvature = left - 2 * middle + right
    if not numpy.isfinite(curvature) or curvature <= 0:
        return float(rates[lowest]), float(middle), False
    shift = 0.5 * (left - right) / curvature  # in grid steps
    step = rates[lowest] - rates[lowest - 1]
    return float(rates[lowest] + shift * step), float(middle - 0.25 * (left - right) * shift), False


def best_rates(runs: pandas.DataFrame, grids: Mapping[str, Sequence[str]]) -> pandas.DataFrame:
    """A row for each grid, width and seed. `grids` give a grid's name and those of its circumstances."""
    rows = []
    for grid, members in grids.items():
        of_grid = runs[runs["circumstance"].isin(members)]
        for (width, parameters, seed), group in of_grid.groupby(["width", "parameters", "seed"]):
            group = group.sort_values("learning_rate")
            found = optimum(numpy.log2(group["learning_rate"]), group["data_loss_end_value"])
            rows.append([grid, width, parameters, seed, *found])
    return pandas.DataFrame(rows, columns=OPTIMUM_COLUMNS)


def rate_slopes(best: pandas.DataFrame, expectations: Mapping[str, str]) -> pandas.DataFrame:
    """How the best rate moves: doublings of it per doubling of width, a row a grid, and their paired differences.

    Each seed's least-squares slope, and the 95% t interval over seeds; NaN where any optimum is censored. It `stays`
    where that lies within `EQUIVALENCE` of 0, else it `falls` or `rises` where it excludes 0.
    """
    slopes_of_grids = {grid: seed_slopes(group) for grid, group in best.groupby("grid", sort=False)}
    censored = best.groupby("grid")["censored"].sum()
    compared = [((grid,), slopes) for grid, slopes in slopes_of_grids.items()]
    compared += [
        (pair, slopes_of_grids[pair[0]] - slopes_of_grids[pair[1]]) for pair in itertools.pairwise(slopes_of_grids)
    ]
    rows = []
    for grids, slopes in compared:
        total = int(sum(censored[grid] for grid in grids))
        interval = mean_interval([]) if total else mean_interval(slopes)
        verdict, expected = movement(interval), expectations.get(" - ".join(grids))
        agrees = None if expected is None else agreement(interval, expected) == "yes"
        rows.append([" - ".join(grids), *vars(interval).values(), len(slopes), total, verdict, expected, agrees])
    return pandas.DataFrame(rows, columns=SLOPE_COLUMNS)


def movement(slope: Interval) -> str:
    """Which way a best rate moves with width, by its slope's interval."""
    return next((word for word in ("stays", "falls", "rises") if agreement(slope, word) == "yes"), "undecided")


def agreement(slope: Interval, expected: str) -> str:
    """Whether an interval is as `expected`: below 0 (falls), above (rises), or within the margin (stays).

    "yes", "no" or "undecided". One that is below 0 and within the margin is as either expects.
    """
    match expected:
        case "falls":
            return "yes" if slope.high < 0 else "no" if slope.low > 0 else "undecided"
        case "rises":
            return "yes" if slope.low > 0 else "no" if slope.high < 0 else "undecided"
        case "stays":
            if slope.low > -EQUIVALENCE and slope.high < EQUIVALENCE:
                return "yes"
            return "no" if slope.low > EQUIVALENCE or slope.high < -EQUIVALENCE else "undecided"
    raise ValueError(f"expected {expected!r}: allowed are falls, rises, stays")


def rate_verdicts(
    runs: pandas.DataFrame, best: pandas.DataFrame, grids: Mapping[str, Sequence[str]], base_width: int
) -> pandas.DataFrame:
    """At every rate of a grid: how the data loss' end value moves with size, beside the base width's best rate.

    "Wider is better" is claimed of rates at and below that one only: the median over seeds, at the narrowest width if
    the study does not train `base_width`. An optimum at the grid's lower edge has no rates below it. Descriptive.
    """
    rows = []
    for grid, members in grids.items():
        of_grid = best[best["grid"] == grid]
        width = base_width if base_width in of_grid["width"].values else of_grid["width"].min()
        of_base = of_grid[of_grid["width"] == width]
        lowest = runs.loc[runs["circumstance"].isin(members), "learning_rate"].min()
        below_the_grid = of_base["censored"] & (of_base["log2_rate"] == numpy.log2(lowest))
        base_rate = of_base["log2_rate"].mask(below_the_grid, -numpy.inf).median()
        for member in members:
            response = response_of(runs, runs, member, "data_loss", "end_value")
            verdict = judge(response, "end_value", page_p_value(response.values)[0])
            rate = runs.loc[runs["circumstance"] == member, "learning_rate"].iloc[0]
            rows.append([grid, rate, verdict, bool(numpy.log2(rate) <= base_rate), width, len(response.values)])
    return pandas.DataFrame(
        rows, columns=["grid", "learning_rate", "verdict", "at_or_below_best", "base_width", "seeds"]
    )


def seed_slopes(best: pandas.DataFrame) -> numpy.ndarray:
    """Each seed's slope of log2 rate against log2 width, shape (seeds,)."""
    table = best.pivot(index="seed", columns="width", values="log2_rate")
    doublings = numpy.log2(table.columns.to_numpy(dtype=float))
    centred = doublings - doublings.mean()
    return table.to_numpy() @ centred / (centred @ centred)
