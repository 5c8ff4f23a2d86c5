"""The one rule that turns a response to size into a verdict.

A response has one value per seed and size. Its change is each seed's least-squares slope over log2 parameters, times
the log2 range of parameters. The t interval of the mean change over seeds decides, and the verdict is read off it:

1. `diverged`: all runs of a size diverged; of a contrast, all of the circumstance's own.
2. `mixed`: some pair of sizes goes significantly up and some pair significantly down, each by more than the margin
   (paired t over seeds, Bonferroni over the pairs), and no run diverged.
3. `rises`, `falls`: the interval excludes 0. `slight` if every size is within the margin of the smallest. If a later
   size's mean lies behind an earlier one's by more than the margin, the verdict is `undecided`.
4. `flat`: the interval contains 0, and every size is within the margin of the smallest (two one-sided t tests).
5. `undecided`.

A verdict depends on its own response and level alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy
from scipy.special import stdtr, stdtrit

# Differences below this are zero, and a spread below it is no spread.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Kind:
    """What is measured: its margin, and on which side of its bound the value of a diverged run lies.

    `margin` is in nats; with `per_doubling` it is in doublings of time for each doubling of parameters. A diverged
    run's value is at least its bound (`bound` 1), at most (-1), or unknown (0).
    """

    margin: float
    per_doubling: bool = False
    bound: int = 1

    def margins(self, doublings: numpy.ndarray) -> numpy.ndarray:
        """The margins between sizes that are so many doublings of parameters apart."""
        return self.margin * (doublings if self.per_doubling else numpy.ones_like(doublings))


START = Kind(margin=0.01)
END = Kind(margin=0.05)
DECAY = Kind(margin=0.05, bound=-1)
TIME = Kind(margin=float(numpy.log2(1.05)), per_doubling=True)


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval, as numbers or arrays of one shape. Infinite limits: nothing is known."""

    estimate: float
    low: float
    high: float


UNKNOWN = Interval(numpy.nan, -numpy.inf, numpy.inf)


def direction(interval: Interval) -> int:
    """1 if the interval lies above 0, -1 if it lies below, else 0."""
    return numpy.subtract(interval.low > 0, interval.high < 0, dtype=int)


def is_within(interval: Interval, low: float, high: float) -> bool:
    """Whether the interval lies within two bounds. At 1 - 2 x level this is two one-sided tests at the level."""
    return (low <= interval.low) & (interval.high <= high)


def lies_between(interval: Interval, low: float, high: float) -> str:
    """Whether the true value lies between two bounds: yes (its interval within them), no (beyond) or undecided."""
    if is_within(interval, low, high):
        return "yes"
    return "no" if interval.high < low or high < interval.low else "undecided"


def t_interval(sample: Sequence[float], level: float) -> Interval:
    """The mean over the first axis and its t interval at confidence 1 - level.

    A sample that is zero throughout has the interval [0, 0]. Any other sample without spread, or of one value, has an
    unbounded one.
    """
    sample = rounded(numpy.asarray(sample, dtype=float))
    mean, reach = sample.mean(axis=0), _reach(sample, level)
    return Interval(mean, rounded(mean - reach), rounded(mean + reach))


def bounded_interval(sample: Sequence[float], level: float, side: int | None, *, lost: bool) -> Interval:
    """The t interval of values that diverged runs bound on a side, as `one_side` tells it.

    Nothing is known where all runs are `lost`.
    """
    return UNKNOWN if lost else opened(t_interval(sample, level), side)


def opened(interval: Interval, side: int | None) -> Interval:
    """The interval, open on the side on which the true value may lie, as `one_side` tells it; unknown without one."""
    if side is None:
        return UNKNOWN
    if side > 0:
        return replace(interval, high=numpy.inf)
    return replace(interval, low=-numpy.inf) if side < 0 else interval


def one_side(sides: Iterable[float]) -> int | None:
    """The one side of the bounds on which true values lie: 1 above, -1 below; 0 where there are no bounds.

    None where bounds lie on both sides, or some are of an unknown side, 0.
    """
    found = set(sides)
    if not found:
        return 0
    return int(*found) if len(found) == 1 and 0 not in found else None


def jackknife_interval(estimate: float, without: Sequence[float], level: float) -> Interval:
    """An estimate over all seeds, and its interval from the estimates without each one of them (Tukey 1958)."""
    without = numpy.asarray(without, dtype=float)
    pseudo_values = len(without) * estimate - (len(without) - 1) * without
    reach = _reach(rounded(pseudo_values), level)
    return Interval(estimate, rounded(estimate - reach), rounded(estimate + reach))


def t_p_value(sample: numpy.ndarray) -> float:
    """Two-sided p of the t test that the mean is 0; 1 where the interval would be unbounded or [0, 0]."""
    sample = rounded(numpy.asarray(sample, dtype=float))
    if len(sample) < 2 or numpy.ptp(sample) < ROUNDING:
        return 1.0
    error = sample.std(ddof=1) / len(sample) ** 0.5
    return float(2 * stdtr(len(sample) - 1, -abs(sample.mean()) / error))


def least_squares_slope(x: numpy.ndarray, values: numpy.ndarray) -> numpy.ndarray:
    """The least-squares slope over x of the values along their last axis."""
    centred = x - x.mean()
    return values @ centred / (centred @ centred)


def seeds_to_halve(seeds: int, level: float) -> int:
    """How many seeds would halve a t interval over `seeds`, at the same spread."""
    wanted = t_quantile(seeds, level) / seeds**0.5 / 2
    more = seeds + 1
    while t_quantile(more, level) / more**0.5 > wanted:
        more += 1
    return more


@lru_cache(maxsize=1024)
def t_quantile(seeds: int, level: float) -> float:
    """The two-sided quantile of t with seeds - 1 degrees of freedom."""
    return float(stdtrit(seeds - 1, 1 - level / 2))


def holm(p_values: Sequence[float]) -> numpy.ndarray:
    """Holm's step-down adjustment (Holm 1979), in the order given. A missing p counts as 1 and stays missing."""
    p_values = numpy.asarray(p_values, dtype=float)
    known = numpy.nan_to_num(p_values, nan=1.0)
    order = numpy.argsort(known, kind="stable")
    factors = numpy.arange(len(known), 0, -1)
    adjusted = numpy.empty(len(known))
    adjusted[order] = numpy.minimum(1, numpy.maximum.accumulate(factors * known[order]))
    return numpy.where(numpy.isnan(p_values), numpy.nan, adjusted)


@dataclass(frozen=True)
class Response:
    """One feature by seed and size.

    Args:
        values: (seeds, sizes), finite; a diverged run has its bound.
        diverged: (seeds, sizes), whether the run diverged.
        parameters: (sizes,), ascending.
        kind: what is measured.
        at_horizon: (seeds, sizes), whether a time is only known to be longer than the run; none if absent.
        bounds: (seeds, sizes), the side of its value on which that of a diverged run lies; `kind.bound` if absent.
        lost: (seeds, sizes), the diverged runs that may lose a size, as a contrast's own; all diverged if absent.

    Raises ValueError where the shapes differ, a value is not finite, or parameters do not ascend.
    """

    values: numpy.ndarray
    diverged: numpy.ndarray
    parameters: numpy.ndarray
    kind: Kind
    at_horizon: numpy.ndarray | None = None
    bounds: numpy.ndarray | None = None
    lost: numpy.ndarray | None = None

    def __post_init__(self) -> None:
        if self.values.shape != self.diverged.shape or self.values.shape[1:] != self.parameters.shape:
            raise ValueError(f"a response needs one value per seed and size, not shape {self.values.shape}")
        if not numpy.isfinite(self.values).all():
            raise ValueError("a response holds a value that is not finite: write the bound of a diverged run")
        if (numpy.diff(self.parameters) <= 0).any():
            raise ValueError(f"parameters must ascend, not {list(self.parameters)}")

    @cached_property
    def doublings(self) -> numpy.ndarray:
        """Doublings of parameters from the smallest size, shape (sizes,)."""
        return numpy.log2(self.parameters / self.parameters[0])

    @property
    def from_smallest(self) -> numpy.ndarray:
        """Differences from the smallest size, zero where they are below rounding, shape (seeds, sizes)."""
        return rounded(self.values - self.values[:, :1])

    @property
    def changes(self) -> numpy.ndarray:
        """Each seed's change from the smallest size to the largest, along its least-squares line, shape (seeds,)."""
        return least_squares_slope(self.doublings, self.from_smallest) * self.doublings[-1]

    @property
    def lost_a_size(self) -> bool:
        """Whether all runs of a size diverged."""
        lost = self.diverged if self.lost is None else self.lost
        return bool(lost.all(axis=0).any())

    @property
    def is_often_at_horizon(self) -> bool:
        """Whether more than half of a size's runs are at the horizon."""
        return self.at_horizon is not None and bool((self.at_horizon.mean(axis=0) > 0.5).any())

    @property
    def side_of_the_bound(self) -> int | None:
        """On which side of the change at the bounds the true one lies, as `one_side` tells it.

        A run of the middle size does not move the change, but leaves the order of the sizes open: its side is unknown.
        """
        from_middle = rounded(self.doublings - self.doublings.mean())  # the weight of each size in the slope
        bounds = self.kind.bound if self.bounds is None else self.bounds
        return one_side((numpy.sign(from_middle) * bounds * numpy.ones_like(self.values))[self.diverged])

    def less(self, reference: "Response") -> "Response":
        """The paired difference from a reference.

        A pair counts as diverged if either run did. Where the reference's alone did, what bounds its value from below
        bounds the difference from above; where both did, nothing is known.
        """
        return Response(
            self.values - reference.values,
            self.diverged | reference.diverged,
            self.parameters,
            self.kind,
            at_horizon=None if self.at_horizon is None else self.at_horizon | reference.at_horizon,
            bounds=self.kind.bound * numpy.subtract(self.diverged, reference.diverged, dtype=int),
            lost=self.diverged,
        )


@dataclass(frozen=True)
class Outcome:
    """A verdict with the interval that decided it.

    `change` is NaN where it is not known. Where runs diverged it may be a bound; then one limit is infinite.
    """

    verdict: str
    change: float
    ci_low: float
    ci_high: float
    slope_per_doubling: float
    level: float
    p_value: float
    seeds: int
    sizes: int
    diverged: int
    slight: bool


def judge(response: Response, level: float) -> Outcome:
    """The verdict on a response, at the level that its circumstance's family leaves to it."""
    interval = change_interval(response, level)
    verdict = _verdict(response, interval, level)
    return Outcome(
        verdict=verdict,
        change=float(interval.estimate),
        ci_low=float(interval.low),
        ci_high=float(interval.high),
        slope_per_doubling=float(interval.estimate / response.doublings[-1]),
        level=level,
        p_value=_p_value(response, interval),
        seeds=response.values.shape[0],
        sizes=response.values.shape[1],
        diverged=int(response.diverged.sum()),
        slight=verdict in ("rises", "falls") and is_level(response, level),
    )


def change_interval(response: Response, level: float) -> Interval:
    """The change and its interval; one-sided or unknown where runs diverged."""
    return bounded_interval(response.changes, level, response.side_of_the_bound, lost=response.lost_a_size)


def _verdict(response: Response, interval: Interval, level: float) -> str:
    if response.lost_a_size:
        return "diverged"
    if not response.diverged.any() and is_mixed(response, level):
        return "mixed"
    way = direction(interval)
    if way and not goes_back(response, way):
        return "rises" if way > 0 else "falls"
    return "flat" if not way and is_level(response, level) else "undecided"


def _p_value(response: Response, interval: Interval) -> float:
    """The p of the change; 1 where a bound lies on the other side of 0 than the change may, NaN where it is unknown."""
    if numpy.isnan(interval.estimate):
        return numpy.nan
    side = response.side_of_the_bound
    return 1.0 if side and numpy.sign(interval.estimate) != side else t_p_value(response.changes)


def is_mixed(response: Response, level: float) -> bool:
    """Whether pairs of sizes go significantly in both directions, each by more than the margin."""
    earlier, later = _pairs(len(response.parameters))
    differences = response.values[:, later] - response.values[:, earlier]
    margins = response.kind.margins(response.doublings[later] - response.doublings[earlier])
    pairs = t_interval(differences, level / len(earlier))
    ways = direction(pairs) * (numpy.abs(pairs.estimate) > margins + ROUNDING)
    return bool((ways > 0).any() and (ways < 0).any())


def goes_back(response: Response, way: int) -> bool:
    """Whether a later size's mean lies behind an earlier one's, in this direction, by more than the margin."""
    earlier, later = _pairs(len(response.parameters))
    means = response.values.mean(axis=0)
    margins = response.kind.margins(response.doublings[later] - response.doublings[earlier])
    return bool((way * (means[earlier] - means[later]) > margins + ROUNDING).any())


def is_level(response: Response, level: float) -> bool:
    """Whether every size is within its margin of the smallest, by two one-sided t tests at the level (Schuirmann 1987).

    Never where a run diverged, or where more than half of a size's runs are at the horizon.
    """
    if response.diverged.any() or response.is_often_at_horizon:
        return False
    margins = response.kind.margins(response.doublings[1:])
    return bool(is_within(t_interval(response.from_smallest[:, 1:], 2 * level), -margins, margins).all())


@lru_cache(maxsize=64)
def _pairs(sizes: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """All pairs of sizes: the earlier ones, the later ones."""
    return numpy.triu_indices(sizes, 1)


def rounded(values: numpy.ndarray) -> numpy.ndarray:
    """The values, with what is below rounding as zero."""
    return numpy.where(numpy.abs(values) < ROUNDING, 0.0, values)[()]


def _reach(sample: numpy.ndarray, level: float) -> numpy.ndarray:
    """How far the t interval of the mean over the first axis reaches to either side."""
    seeds = len(sample)
    if seeds < 2:
        return numpy.full(sample.shape[1:], numpy.inf)
    reach = t_quantile(seeds, level) * sample.std(axis=0, ddof=1) / seeds**0.5
    without_spread = numpy.where((sample == 0).all(axis=0), 0.0, numpy.inf)
    return numpy.where(numpy.ptp(sample, axis=0) < ROUNDING, without_spread, reach)[()]
