"""The best learning rate against width: where it lies for each seed and size, and how it moves.

A parabola in log2 of the rate through a seed's lowest end value and its two neighbours on the grid; a lowest value
at the grid's edge is censored, since the best rate lies outside. It must not know files or figures.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy
import pandas

from widthwise.trend import Interval, mean_interval

OPTIMUM_COLUMNS = ["grid", "width", "parameters", "seed", "log2_rate", "end_value", "censored"]
SLOPE_COLUMNS = ["grid", "slope", "ci_low", "ci_high", "seeds", "censored"]
EQUIVALENCE = 0.25  # doublings of the rate per doubling of width within which a best rate "stays"


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


def rate_slopes(best: pandas.DataFrame) -> pandas.DataFrame:
    """How the best rate moves: doublings of it per doubling of width, a row a grid, and their paired differences.

    Each seed's least-squares slope, and the 95% t interval over seeds; NaN where any optimum is censored.
    """
    by_grid = {grid: seed_slopes(group) for grid, group in best.groupby("grid", sort=False)}
    censored = best.groupby("grid")["censored"].sum()
    rows = [
        [grid, *vars(interval_of(s, censored[grid])).values(), len(s), censored[grid]] for grid, s in by_grid.items()
    ]
    names = list(by_grid)
    for first, second in itertools.pairwise(names):
        total = censored[first] + censored[second]
        difference = by_grid[first] - by_grid[second]
        rows.append([f"{first} - {second}", *vars(interval_of(difference, total)).values(), len(difference), total])
    return pandas.DataFrame(rows, columns=SLOPE_COLUMNS)


def interval_of(slopes_of_seeds: numpy.ndarray, censored: int) -> Interval:
    return mean_interval([]) if censored else mean_interval(slopes_of_seeds)


def seed_slopes(best: pandas.DataFrame) -> numpy.ndarray:
    """Each seed's slope of log2 rate against log2 width, shape (seeds,)."""
    table = best.pivot(index="seed", columns="width", values="log2_rate")
    doublings = numpy.log2(table.columns.to_numpy(dtype=float))
    centred = doublings - doublings.mean()
    return table.to_numpy() @ centred / (centred @ centred)
