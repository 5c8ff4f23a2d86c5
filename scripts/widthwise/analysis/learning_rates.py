"""The best learning rate of every width, the highest stable one, and how both move with width.

The best rate is the lowest point of a parabola in log2 of the rate, through the seeds' mean of the log of the data
loss' end: its lowest value on the grid and the two neighbours. Its interval is a jackknife over seeds. A rate at which
a run diverged cannot be the best; beside one the best is the grid's point, since a diverged run's loss is only a bound.
At the grid's edge the best rate is censored, since it lies outside.
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
    jackknife_interval,
    judge,
    least_squares_slope,
    lies_between,
    one_side,
    opened,
    rounded,
    t_interval,
)
from widthwise.analysis.tables import make_table
from widthwise.analysis.verdicts import DESCRIPTIVE_LEVEL
from widthwise.study.requirements import LEAST_ROWS_AT_THE_END
from widthwise.study.settings import end_window_start

EQUIVALENCE = 0.25  # doublings per doubling of width, within which a rate, or another power of width, stays
LEAST_LOSS = 1e-12  # nats; below it a logarithm is rounding
BUDGETS = 6  # the planned steps, and as often halved as makes so many
LONGEST_END = 1 / 3  # of a budget's steps; a mean over more of them is no end

INSIDE, LOWER_EDGE, UPPER_EDGE, NO_RATE = "inside", "lower edge", "upper edge", "no rate"
EDGE_WITHOUT_A_SEED = "edge without a seed"


@dataclass(frozen=True)
class Grid:
    """The ends of a grid's runs: arrays of shape (rates, seeds, widths), by ascending rate and width.

    `losses` are data losses, `guessing` the larger of start and log(classes); a diverged run has that as its loss.
    """

    rates: numpy.ndarray
    seeds: numpy.ndarray
    widths: numpy.ndarray
    parameters: numpy.ndarray
    losses: numpy.ndarray
    guessing: numpy.ndarray
    diverged: numpy.ndarray

    @classmethod
    def of(cls, runs: pandas.DataFrame, members: Sequence[str]) -> "Grid":
        """The grid that these circumstances make up."""
        keys = ["learning_rate", "seed", "width"]
        of_grid = runs[runs["circumstance"].isin(members)].sort_values(keys)
        rates, seeds, widths = (numpy.unique(of_grid[key]) for key in keys)
        shape = len(rates), len(seeds), len(widths)  # every combination has a run: they were gathered so
        guessing = numpy.maximum(numpy.log(of_grid["classes"]), of_grid["data_loss_starting_loss"])
        return cls(
            rates=rates,
            seeds=seeds,
            widths=widths,
            parameters=of_grid["parameters"].to_numpy()[: len(widths)],
            losses=of_grid["data_loss_end_value"].to_numpy(dtype=float).reshape(shape),
            guessing=guessing.to_numpy(dtype=float).reshape(shape),
            diverged=of_grid["diverged"].to_numpy(dtype=bool).reshape(shape),
        )

    @property
    def log2_rates(self) -> numpy.ndarray:
        """Log2 of the rates."""
        return numpy.log2(self.rates)

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
        places = range(len(self.seeds))
        return [[other for other in places if other != seed] for seed in places]


def optimum(log2_rates: Sequence[float], logs: Sequence[float], usable: Sequence[bool]) -> tuple[float, float, str]:
    """The parabola's lowest point: log2 of its rate, its log loss, and where on the grid it lies.

    The lowest value is sought among the usable ones. If a neighbour is not usable, or not higher, the grid's point
    itself is taken.
    """
    if not numpy.any(usable):
        return numpy.nan, numpy.nan, NO_RATE
    lowest = int(numpy.argmin(numpy.where(usable, logs, numpy.inf)))
    x, y = numpy.asarray(log2_rates, dtype=float), numpy.asarray(logs, dtype=float)
    if lowest in (0, len(x) - 1):
        return float(x[lowest]), float(y[lowest]), UPPER_EDGE if lowest else LOWER_EDGE
    x0, x1, x2 = x[lowest - 1 : lowest + 2]
    before, after = numpy.diff(y[lowest - 1 : lowest + 2]) / (x1 - x0, x2 - x1)
    if not (numpy.all(usable[lowest - 1 : lowest + 2]) and before < 0 < after):
        return float(x1), float(y[lowest]), INSIDE
    curvature = (after - before) / (x2 - x0)
    best = (x0 + x1) / 2 - before / (2 * curvature)
    return float(best), float(y[lowest - 1] + before * (best - x0) + curvature * (best - x0) * (best - x1)), INSIDE


@dataclass(frozen=True)
class BestRates:
    """The best rate of each width, over all seeds and without each one of them.

    `log2_rates` and `losses` have shape (widths,), `without` (seeds, widths). `places` say where on the grid each
    optimum lies; EDGE_WITHOUT_A_SEED if it leaves the inside where one seed is left out.
    """

    log2_rates: numpy.ndarray
    losses: numpy.ndarray
    places: list[str]
    without: numpy.ndarray

    @property
    def censored(self) -> numpy.ndarray:
        """Which widths' optima are not inside the grid."""
        return numpy.array(self.places) != INSIDE


def best_rates(grid: Grid) -> BestRates:
    """The best rate of every width of a grid."""
    over_all = optima(grid, list(range(len(grid.seeds))))
    left_out = [optima(grid, others) for others in grid.others() if others]
    places = [
        EDGE_WITHOUT_A_SEED if place == INSIDE and any(found[width][2] != INSIDE for found in left_out) else place
        for width, (_, _, place) in enumerate(over_all)
    ]
    return BestRates(
        log2_rates=numpy.array([rate for rate, _, _ in over_all]),
        losses=numpy.exp([log for _, log, _ in over_all]),
        places=places,
        without=numpy.array([[rate for rate, _, _ in found] for found in left_out]).reshape(-1, len(grid.widths)),
    )


def optima(grid: Grid, seeds: Sequence[int]) -> list[tuple[float, float, str]]:
    """The optimum of every width over these seeds."""
    logs, usable = grid.mean_logs(seeds)
    return [optimum(grid.log2_rates, *columns) for columns in zip(logs.T, usable.T, strict=True)]


@dataclass(frozen=True)
class RateSlope:
    """Doublings of the best rate per doubling of width.

    `estimate` is over all seeds, `without` (seeds,) leaves each one out and is empty if there is only one, `censored`
    counts the widths that are.
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
    rate and the next one. A width is censored where in some seed all rates are stable, or none: its limit lies above
    or below the grid. The slope is then bounded on one side, or unknown if the widths would bound it on both. A width
    in the middle does not move it.
    """
    counts = stable_rates(grid)
    step = numpy.diff(grid.log2_rates).max()
    limits = numpy.append(grid.log2_rates[0] - step, grid.log2_rates)[counts]
    beyond = numpy.subtract(counts == len(grid.log2_rates), counts == 0, dtype=int)  # 1 above the grid, -1 below
    weights = grid.doublings - grid.doublings.mean()
    moves = beyond * numpy.sign(rounded(weights))
    side = one_side(moves[moves != 0])
    censored = int(beyond.any(axis=0).sum())
    slopes = least_squares_slope(grid.doublings, limits)
    left_open = step / 2 * numpy.abs(weights).sum() / (weights @ weights)
    is_exact = len(slopes) > 1 and numpy.ptp(slopes) == 0
    interval = Interval(*[slopes[0]] * 3) if is_exact else t_interval(slopes, DESCRIPTIVE_LEVEL)
    wider = Interval(interval.estimate, interval.low - left_open, interval.high + left_open)
    return opened(wider, side), censored


@dataclass(frozen=True)
class OwnBest:
    """Each width at its own best rate of the grid, chosen on the other seeds: arrays of shape (seeds, widths).

    `ends` and `diverged` are those of the seed left out, at the rate chosen without it. `at_edge` marks choices at the
    grid's edge.
    """

    rates: numpy.ndarray
    at_edge: numpy.ndarray
    ends: numpy.ndarray
    diverged: numpy.ndarray

    @classmethod
    def of(cls, grid: Grid) -> "OwnBest":
        """The choices in a grid of two seeds or more."""
        chosen = numpy.empty(grid.losses.shape[1:], dtype=int)
        for seed, others in enumerate(grid.others()):
            logs, usable = grid.mean_logs(others)
            chosen[seed] = numpy.where(usable, logs, numpy.inf).argmin(axis=0)
        seeds, widths = numpy.indices(chosen.shape)
        return cls(
            rates=grid.rates[chosen],
            at_edge=(chosen == 0) | (chosen == len(grid.rates) - 1),
            ends=grid.losses[chosen, seeds, widths],
            diverged=grid.diverged[chosen, seeds, widths],
        )

    def response(self, parameters: numpy.ndarray) -> Response:
        """The ends, as a response to size.

        At the grid's edge a better rate may lie outside, so that the end bounds the true one from above. The choices
        share seeds, so the ends are not independent: their spread over n seeds is widened, as if the variance of their
        mean were 1/n + 1/(n - 1) of theirs and not 1/n (Nadeau and Bengio 2003, corrected resampled t test).
        """
        count = len(self.ends)
        mean = self.ends.mean(axis=0)
        return Response(
            mean + (self.ends - mean) * (1 + count / (count - 1)) ** 0.5,
            self.diverged | self.at_edge,
            parameters,
            END,
            bounds=numpy.subtract(self.diverged, self.at_edge, dtype=int),
            lost=self.diverged,
        )


def movement(slope: Interval) -> str:
    """Which way a rate, or another power of width, moves: stays, falls, rises or undecided."""
    return next((word for word in ("stays", "falls", "rises") if agreement(slope, word) == "yes"), "undecided")


def agreement(slope: Interval, expected: str) -> str:
    """Whether an interval is as expected: below 0 (falls), above 0 (rises), or within the margin of 0 (stays).

    Returns yes, no or undecided. An interval below 0 and within the margin is as both expect.
    """
    if expected == "stays":
        return lies_between(slope, -EQUIVALENCE, EQUIVALENCE)
    way = direction(slope) * {"falls": -1, "rises": 1}[expected]
    return {1: "yes", -1: "no", 0: "undecided"}[int(way)]


def ends_no_higher(verdict: str, low: float, high: float) -> str:
    """Whether larger networks end higher by no more than the margin of ends: yes, no or undecided.

    Decided by the limits of the change, which follows the trend over all sizes; undecided where the verdict is mixed.
    """
    if verdict == "mixed":
        return "undecided"
    return lies_between(Interval(numpy.nan, low, high), -numpy.inf, END.margin)


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
                    "lowest_loss": best.losses[index],
                    "optimum": best.places[index],
                    "log2_highest_stable": grid.log2_rates[counts[index] - 1] if counts[index] else numpy.nan,
                    "all_stable": counts[index] == len(grid.rates),
                    "diverged": grid.diverged[:, :, index].sum(),
                }
            )
    return make_table("learning_rates", rows)


def slopes_table(grids: Mapping[str, Grid], expectations: Mapping[str, Mapping[str, str]]) -> pandas.DataFrame:
    """Makes the table of slopes: how the best and the highest stable rate move with width.

    `expectations` map a grid to what is expected of it.
    """
    rows = []
    for name, grid in grids.items():
        best = best_rate_slope(grid)
        for quantity, key, (slope, censored) in (
            ("best", "best_learning_rate", (best.interval, best.censored)),
            ("highest_stable", "highest_stable_rate", stable_rate_slope(grid)),
        ):
            expected = expectations[name].get(key)
            rows.append(
                {
                    "grid": name,
                    "quantity": quantity,
                    "slope": slope.estimate,
                    "ci_low": slope.low,
                    "ci_high": slope.high,
                    "seeds": len(grid.seeds),
                    "censored": censored,
                    "verdict": movement(slope),
                    "expected": expected,
                    "agrees": expected and agreement(slope, expected),
                }
            )
    return make_table("learning_rate_slopes", rows)


def choices_table(grids: Mapping[str, Grid]) -> pandas.DataFrame:
    """Makes the table of choices: each width's best rate without one seed, and where that seed ends at it."""
    rows = []
    for name, grid in grids.items():
        if len(grid.seeds) < 2:
            continue
        own = OwnBest.of(grid)
        for seed, width in numpy.ndindex(own.ends.shape):
            rows.append(
                {
                    "grid": name,
                    "width": grid.widths[width],
                    "parameters": grid.parameters[width],
                    "seed": grid.seeds[seed],
                    "learning_rate": own.rates[seed, width],
                    "at_edge": own.at_edge[seed, width],
                    "end_value": own.ends[seed, width],
                    "diverged": own.diverged[seed, width],
                }
            )
    return make_table("learning_rate_choices", rows)


def verdicts_table(
    grids: Mapping[str, Grid], expectations: Mapping[str, Mapping[str, str]], base_width: int
) -> pandas.DataFrame:
    """Makes the table of verdicts on the data loss' end: at every rate of a grid, and at each width's own best rate.

    The last has no learning rate; "no higher" may be expected of it. "Larger ends lower" is claimed of rates at and
    below the base width's best; the narrowest width stands in where the study does not train the base width. An optimum
    at the grid's lower edge has no rates below it.
    """
    rows = []
    for name, grid in grids.items():
        base = int(numpy.argmax(grid.widths == base_width))  # the narrowest if there is none
        of_grid = {"grid": name, "base_width": grid.widths[base]}
        best = best_rates(grid).log2_rates[base]
        for rate, losses, diverged in zip(grid.rates, grid.losses, grid.diverged, strict=True):
            outcome = judge(Response(losses, diverged, grid.parameters, END), DESCRIPTIVE_LEVEL)
            below = bool(grid.log2_rates[0] < best and numpy.log2(rate) <= best)
            rows.append(of_grid | asdict(outcome) | {"learning_rate": rate, "at_or_below_best": below, "at_edge": 0})
        if len(grid.seeds) > 1:
            own = OwnBest.of(grid)
            outcome = judge(own.response(grid.parameters), DESCRIPTIVE_LEVEL)
            expected = expectations[name].get("end_at_own_best_rate")
            no_higher = ends_no_higher(outcome.verdict, outcome.ci_low, outcome.ci_high)
            found = {"diverged": own.diverged.sum(), "at_edge": own.at_edge.sum()}
            rows.append(of_grid | asdict(outcome) | found | {"expected": expected, "agrees": expected and no_higher})
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
    Budgets are the logged steps at, or next below, the planned steps and their halves, quarters and so on. Those whose
    rows are too far apart for an end are left out.
    """
    wanted = [curves.steps[-1] / 2**halvings for halvings in reversed(range(BUDGETS))]
    places = numpy.unique(numpy.searchsorted(curves.steps, wanted, side="right") - 1)
    for place in places[places >= LEAST_ROWS_AT_THE_END]:
        steps, values = curves.steps[: place + 1], curves.values[:, :, : place + 1]
        first = end_window_start(int(steps[-1]), end_window)
        if steps[-LEAST_ROWS_AT_THE_END] <= first:  # rows are too far apart for so short a window
            first = steps[-LEAST_ROWS_AT_THE_END - 1]
        if steps[-1] - first > LONGEST_END * steps[-1] and place < len(curves.steps) - 1:
            continue
        diverged = ~numpy.isfinite(values[:, :, -1])
        ends = bounds.copy()
        for run in numpy.argwhere(~diverged):
            ends[*run] = Curve(steps, values[*run]).mean(first, steps[-1])
        diverged |= is_far_above(ends, bounds)
        yield int(steps[-1]), Response(numpy.where(diverged, bounds, ends), diverged, curves.parameters, END)
