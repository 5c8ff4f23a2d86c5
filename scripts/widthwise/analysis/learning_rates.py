"""The best learning rate of every width, the highest stable one, and how both move with width.

The best rate is the lowest point of a parabola in log2 of the rate, through the seeds' mean of the log of the data
loss' end: its lowest value on the grid and the two neighbours. At the grid's edge it is censored, since the best rate
lies outside. Its interval is a jackknife over seeds. A rate at which a run diverged cannot be the best.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy
import pandas

from widthwise.analysis.comparisons import Curves
from widthwise.analysis.features import Curve, is_far_above
from widthwise.analysis.inference import (
    END,
    UNKNOWN,
    Interval,
    Response,
    direction,
    equivalence,
    jackknife_interval,
    judge,
    least_squares_slope,
    t_interval,
)
from widthwise.analysis.tables import make_table
from widthwise.analysis.verdicts import DESCRIPTIVE_LEVEL
from widthwise.study.requirements import LEAST_ROWS_AT_THE_END
from widthwise.study.settings import end_window_start

EQUIVALENCE = 0.25  # doublings per doubling of width, within which a rate, or another power of width, stays
LEAST_LOSS = 1e-12  # nats; below it a logarithm is rounding
BUDGETS = 6  # the planned steps, and as often halved as makes so many


@dataclass(frozen=True)
class Grid:
    """The ends of a grid's runs: arrays of shape (rates, seeds, widths), by ascending rate and width.

    `losses` are data losses, `guessing` the larger of start and log(classes); a diverged run has that as its loss.
    """

    rates: numpy.ndarray
    widths: numpy.ndarray
    parameters: numpy.ndarray
    losses: numpy.ndarray
    guessing: numpy.ndarray
    diverged: numpy.ndarray

    @classmethod
    def of(cls, runs: pandas.DataFrame, members: Sequence[str]) -> "Grid":
        """The grid that these circumstances make up."""
        of_grid = runs[runs["circumstance"].isin(members)]
        keys = ["learning_rate", "seed", "width"]
        axes = [numpy.unique(of_grid[key]) for key in keys]
        place = tuple(numpy.searchsorted(axis, of_grid[key]) for axis, key in zip(axes, keys, strict=True))

        def filled(column: pandas.Series) -> numpy.ndarray:
            array = numpy.full([len(axis) for axis in axes], numpy.nan)
            array[place] = column.to_numpy(dtype=float)
            return array

        guessing = numpy.maximum(numpy.log(of_grid["classes"]), of_grid["data_loss_starting_loss"])
        sizes = of_grid.drop_duplicates("width").sort_values("width")
        return cls(
            rates=axes[0],
            widths=axes[2],
            parameters=sizes["parameters"].to_numpy(),
            losses=filled(of_grid["data_loss_end_value"]),
            guessing=filled(guessing),
            diverged=filled(of_grid["diverged"]).astype(bool),
        )

    @property
    def log2_rates(self) -> numpy.ndarray:
        """Log2 of the rates."""
        return numpy.log2(self.rates)

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return self.losses.shape[1]

    @property
    def doublings(self) -> numpy.ndarray:
        """Log2 of the widths."""
        return numpy.log2(self.widths)

    def mean_logs(self, seeds: Sequence[int]) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Over these seeds, the mean log loss and whether no run diverged, each (rates, widths)."""
        logs = numpy.log(numpy.maximum(self.losses[:, seeds], LEAST_LOSS)).mean(axis=1)
        return logs, ~self.diverged[:, seeds].any(axis=1)

    def others(self) -> list[list[int]]:
        """For each seed, all others."""
        return [[other for other in range(self.seeds) if other != seed] for seed in range(self.seeds)]


def optimum(log2_rates: Sequence[float], logs: Sequence[float], usable: Sequence[bool]) -> tuple[float, float, bool]:
    """The parabola's lowest point: log2 of its rate, its log loss, and whether it is censored.

    The lowest value is sought among the usable ones. If a neighbour is not higher, the grid's point itself is taken.
    """
    if not numpy.any(usable):
        return numpy.nan, numpy.nan, True
    lowest = int(numpy.argmin(numpy.where(usable, logs, numpy.inf)))
    x, y = numpy.asarray(log2_rates, dtype=float), numpy.asarray(logs, dtype=float)
    if lowest in (0, len(x) - 1):
        return float(x[lowest]), float(y[lowest]), True
    x0, x1, x2 = x[lowest - 1 : lowest + 2]
    before, after = numpy.diff(y[lowest - 1 : lowest + 2]) / (x1 - x0, x2 - x1)
    if not before < 0 < after:
        return float(x1), float(y[lowest]), False
    curvature = (after - before) / (x2 - x0)
    best = (x0 + x1) / 2 - before / (2 * curvature)
    return float(best), float(y[lowest - 1] + before * (best - x0) + curvature * (best - x0) * (best - x1)), False


@dataclass(frozen=True)
class BestRates:
    """The best rate of each width, over all seeds and without each one of them.

    `log2_rates`, `losses` and `censored` have shape (widths,), `without` (seeds, widths). A width is censored if its
    optimum is at the grid's edge, over all seeds or without one of them.
    """

    log2_rates: numpy.ndarray
    losses: numpy.ndarray
    censored: numpy.ndarray
    without: numpy.ndarray


def best_rates(grid: Grid) -> BestRates:
    """The best rate of every width of a grid."""
    found = numpy.array([optima(grid, seeds) for seeds in [list(range(grid.seeds)), *grid.others()]])
    return BestRates(
        log2_rates=found[0, :, 0],
        losses=numpy.exp(found[0, :, 1]),
        censored=found[:, :, 2].astype(bool).any(axis=0),
        without=found[1:, :, 0],
    )


def optima(grid: Grid, seeds: Sequence[int]) -> list[tuple[float, float, bool]]:
    """The optimum of every width over these seeds; none is known without seeds."""
    if not seeds:
        return [(numpy.nan, numpy.nan, True)] * len(grid.widths)
    logs, usable = grid.mean_logs(seeds)
    return [optimum(grid.log2_rates, *columns) for columns in zip(logs.T, usable.T, strict=True)]


@dataclass(frozen=True)
class RateSlope:
    """Doublings of the best rate per doubling of width.

    `estimate` is over all seeds, `without` (seeds,) leaves each one out, `censored` counts the widths that are.
    """

    estimate: float
    without: numpy.ndarray
    censored: int

    @property
    def interval(self) -> Interval:
        """The slope and its jackknife interval at 95%; unknown where an optimum is censored."""
        if self.censored:
            return UNKNOWN
        return jackknife_interval(self.estimate, self.without, DESCRIPTIVE_LEVEL)

    def less(self, other: "RateSlope") -> "RateSlope":
        """The difference from another grid's slope, over the same seeds."""
        return RateSlope(self.estimate - other.estimate, self.without - other.without, self.censored + other.censored)


def best_rate_slope(grid: Grid) -> RateSlope:
    """How the best rate moves with width."""
    best = best_rates(grid)
    return RateSlope(
        estimate=float(least_squares_slope(grid.doublings, best.log2_rates)),
        without=least_squares_slope(grid.doublings, best.without),
        censored=int(best.censored.sum()),
    )


def stable_rates(grid: Grid) -> numpy.ndarray:
    """How many of the grid's rates, from the lowest on, each seed and width trains at, shape (seeds, widths).

    A rate counts if no run up to it diverged, or ended above guessing by more than the margin of ends.
    """
    stable = ~grid.diverged & (grid.losses <= grid.guessing + END.margin)
    return numpy.logical_and.accumulate(stable, axis=0).sum(axis=0)


def stable_rate_slope(grid: Grid) -> tuple[Interval, int]:
    """Doublings of the highest stable rate per doubling of width, at 95%, and how many widths are censored.

    The t interval of the seeds' slopes, wider by what the grid leaves open: the limit lies between the highest stable
    rate and the next one. A width is censored, and the slope unknown, where in some seed all rates are stable, or none.
    """
    counts = stable_rates(grid)
    censored = int(((counts == 0) | (counts == len(grid.log2_rates))).any(axis=0).sum())
    if censored:
        return UNKNOWN, censored
    slopes = least_squares_slope(grid.doublings, grid.log2_rates[counts - 1])
    weights = grid.doublings - grid.doublings.mean()
    step = numpy.diff(grid.log2_rates).max()
    left_open = step / 2 * numpy.abs(weights).sum() / (weights @ weights)
    interval = t_interval(slopes, DESCRIPTIVE_LEVEL) if numpy.ptp(slopes) > 0 else Interval(*[slopes.mean()] * 3)
    return Interval(interval.estimate, interval.low - left_open, interval.high + left_open), 0


def own_best_response(grid: Grid) -> Response:
    """Each width's end at its own best rate of the grid, chosen on the other seeds, evaluated on the seed left out."""
    values, diverged = numpy.empty(grid.losses.shape[1:]), numpy.empty(grid.losses.shape[1:], dtype=bool)
    columns = numpy.arange(len(grid.widths))
    for seed, others in enumerate(grid.others()):
        logs, usable = grid.mean_logs(others)
        chosen = numpy.where(usable, logs, numpy.inf).argmin(axis=0)
        values[seed], diverged[seed] = grid.losses[chosen, seed, columns], grid.diverged[chosen, seed, columns]
    return Response(values, diverged, grid.parameters, END)


def movement(slope: Interval) -> str:
    """Which way a rate, or another power of width, moves: stays, falls, rises or undecided."""
    return next((word for word in ("stays", "falls", "rises") if agreement(slope, word) == "yes"), "undecided")


def agreement(slope: Interval, expected: str) -> str:
    """Whether an interval is as expected: below 0 (falls), above 0 (rises), or within the margin of 0 (stays).

    Returns yes, no or undecided. An interval below 0 and within the margin is as both expect.
    """
    if expected == "stays":
        return equivalence(slope, EQUIVALENCE)
    way = direction(slope) * {"falls": -1, "rises": 1}[expected]
    return {1: "yes", -1: "no", 0: "undecided"}[int(way)]


def rates_table(grids: Mapping[str, Grid]) -> pandas.DataFrame:
    """Makes the table of learning rates: the best and the highest stable rate of every width of every grid."""
    rows = []
    for name, grid in grids.items():
        best = best_rates(grid)
        intervals = jackknife_interval(best.log2_rates, best.without, DESCRIPTIVE_LEVEL)
        counts = stable_rates(grid).min(axis=0)
        for index, width in enumerate(grid.widths):
            censored = best.censored[index]
            rows.append(
                {
                    "grid": name,
                    "width": width,
                    "parameters": grid.parameters[index],
                    "log2_rate": best.log2_rates[index],
                    "ci_low": UNKNOWN.low if censored else intervals.low[index],
                    "ci_high": UNKNOWN.high if censored else intervals.high[index],
                    "loss": best.losses[index],
                    "censored": censored,
                    "log2_highest_stable": grid.log2_rates[counts[index] - 1] if counts[index] else numpy.nan,
                }
            )
    return make_table("learning_rates", rows)


def slopes_table(grids: Mapping[str, Grid], expectations: Mapping[str, str | None]) -> pandas.DataFrame:
    """Makes the table of slopes: how the best and the highest stable rate move with width.

    `expectations` map a grid to what its best rate is expected to do.
    """
    rows = []
    for name, grid in grids.items():
        best = best_rate_slope(grid)
        expected = expectations.get(name)
        for quantity, (slope, censored), wanted in (
            ("best", (best.interval, best.censored), expected),
            ("highest_stable", stable_rate_slope(grid), None),
        ):
            rows.append(
                {
                    "grid": name,
                    "quantity": quantity,
                    "slope": slope.estimate,
                    "ci_low": slope.low,
                    "ci_high": slope.high,
                    "seeds": grid.seeds,
                    "censored": censored,
                    "verdict": movement(slope),
                    "expected": wanted,
                    "agrees": None if wanted is None else agreement(slope, wanted) == "yes",
                }
            )
    return make_table("learning_rate_slopes", rows)


def verdicts_table(grids: Mapping[str, Grid], base_width: int) -> pandas.DataFrame:
    """Makes the table of verdicts on the data loss' end: at every rate of a grid, and at each width's own best rate.

    The last has no learning rate. "Larger ends lower" is claimed of rates at and below the base width's best; the
    narrowest width stands in where the study does not train the base width. An optimum at the grid's lower edge has no
    rates below it.
    """
    rows = []
    for name, grid in grids.items():
        base = int(numpy.argmax(grid.widths == base_width))  # the narrowest if there is none
        best = best_rates(grid).log2_rates[base]
        responses = [
            (
                rate,
                bool(grid.log2_rates[0] < best and log2_rate <= best),
                Response(losses, diverged, grid.parameters, END),
            )
            for rate, log2_rate, losses, diverged in zip(
                grid.rates, grid.log2_rates, grid.losses, grid.diverged, strict=True
            )
        ]
        if grid.seeds > 1:
            responses.append((numpy.nan, None, own_best_response(grid)))
        for rate, at_or_below_best, response in responses:
            rows.append(
                {
                    "grid": name,
                    "learning_rate": rate,
                    "at_or_below_best": at_or_below_best,
                    "base_width": grid.widths[base],
                    **asdict(judge(response, DESCRIPTIVE_LEVEL)),
                }
            )
    return make_table("learning_rate_verdicts", rows)


def budgets_table(
    grids: Mapping[str, Grid], curves: Mapping[str, Sequence[Curves]], end_window: float
) -> pandas.DataFrame:
    """Makes the table of budgets: what trainings that stopped early would have shown, at every rate of every grid.

    Each row is the verdict on the data loss' end after so many steps, by the definition of the end value. `curves` are
    each grid's data losses, by ascending rate; `end_window` is the share of the steps over which the end is the mean.
    """
    rows = []
    for name, grid in grids.items():
        logged = numpy.unique(numpy.concatenate([curve.steps for curve in curves[name]]))
        for rate, bounds, curve in zip(grid.rates, grid.guessing, curves[name], strict=True):
            for steps, response in responses_by_budget(on_steps(curve, logged), bounds, end_window):
                outcome = asdict(judge(response, DESCRIPTIVE_LEVEL))
                rows.append({"grid": name, "learning_rate": rate, "steps": steps} | outcome)
    return make_table("learning_rate_budgets", rows)


def on_steps(curves: Curves, steps: numpy.ndarray) -> Curves:
    """The same curves on all of these steps: infinite at those that no run reached."""
    values = numpy.full((*curves.values.shape[:-1], len(steps)), numpy.inf)
    values[..., numpy.searchsorted(steps, curves.steps)] = curves.values
    return replace(curves, steps=steps, values=values)


def responses_by_budget(curves: Curves, bounds: numpy.ndarray, end_window: float) -> Iterator[tuple[int, Response]]:
    """Yields budgets, shortest first, each with the data loss' end.

    `bounds` (seeds, sizes) stand in where a run diverged or ended far above them.
    Budgets are the logged steps at, or next below, the planned steps and their halves, quarters and so on.
    """
    wanted = [curves.steps[-1] / 2**halvings for halvings in reversed(range(BUDGETS))]
    places = numpy.unique(numpy.searchsorted(curves.steps, wanted, side="right") - 1)
    for place in places[places >= LEAST_ROWS_AT_THE_END]:
        steps, values = curves.steps[: place + 1], curves.values[:, :, : place + 1]
        first = end_window_start(int(steps[-1]), end_window)
        if steps[-LEAST_ROWS_AT_THE_END] <= first:  # rows are too far apart for so short a window
            first = steps[-LEAST_ROWS_AT_THE_END - 1]
        diverged = ~numpy.isfinite(values[:, :, -1])
        ends = bounds.copy()
        for run in numpy.argwhere(~diverged):
            ends[*run] = Curve(steps, values[*run]).mean(first, steps[-1])
        diverged |= is_far_above(ends, bounds)
        yield int(steps[-1]), Response(numpy.where(diverged, bounds, ends), diverged, curves.parameters, END)
