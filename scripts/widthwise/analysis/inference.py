"""How a response moves as parameters grow: the tests behind a verdict.

A response is an array (seeds, sizes), sizes in ascending order; the seed is the replicate, and every test pairs
by seed. Infinite responses (diverged, or not reached) are ranked and counted but take no part in means. It must
not know circumstances, files or PyTorch.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; NaN where there is none."""

    estimate: float
    low: float
    high: float


def page_p_value(values: numpy.ndarray) -> tuple[float, int]:
    """Page's exact test with seeds as blocks: p, and the direction (1 rises, -1 falls) that it is for.

    Page 1963, Ordered hypotheses for multiple treatments; two-sided as p = min(1, 2 min(p_up, p_down)).
    """
    p_up = stats.page_trend_test(values, method="exact").pvalue
    p_down = stats.page_trend_test(values[:, ::-1], method="exact").pvalue
    return min(1.0, 2 * min(p_up, p_down)), (1 if p_up <= p_down else -1)


def slopes(values: numpy.ndarray, parameters: Sequence[int]) -> numpy.ndarray:
    """Each seed's least-squares slope per doubling of parameters, shape (seeds,)."""
    doublings = numpy.log2(parameters)
    centred = doublings - doublings.mean()
    # From the first size on, so that a level response has a slope of exactly zero.
    return (values - values[:, :1]) @ centred / (centred @ centred)


def mean_interval(sample: numpy.ndarray, level: float = 0.95) -> Interval:
    """The mean and its t interval; NaN where a value is not finite."""
    sample = numpy.asarray(sample, dtype=float)
    if len(sample) < 2 or not numpy.isfinite(sample).all():
        return Interval(numpy.nan, numpy.nan, numpy.nan)
    mean = sample.mean()
    half = stats.t.ppf((1 + level) / 2, len(sample) - 1) * sample.std(ddof=1) / len(sample) ** 0.5
    return Interval(mean, mean - half, mean + half)


def paired_p_value(differences: numpy.ndarray, alternative: str = "two-sided") -> float:
    """t test that the mean difference is zero; 1 where a difference is not finite or all are zero.

    Equal differences, which have no spread to test by, get a sign test.
    """
    if not numpy.isfinite(differences).all() or not differences.any():
        return 1.0
    if numpy.allclose(differences, differences[0], rtol=1e-9, atol=0):
        positive = int((differences > 0).sum())
        return float(stats.binomtest(positive, len(differences), alternative=alternative).pvalue)
    return float(stats.ttest_1samp(differences, 0, alternative=alternative).pvalue)


def holm(p_values: Sequence[float]) -> numpy.ndarray:
    """Holm's step-down adjustment (Holm 1979), in the order given."""
    p_values = numpy.asarray(p_values, dtype=float)
    order = numpy.argsort(p_values, kind="stable")
    factors = numpy.arange(len(p_values), 0, -1)
    adjusted = numpy.empty(len(p_values))
    adjusted[order] = numpy.minimum(1, numpy.maximum.accumulate(factors * p_values[order]))
    return adjusted


def is_mixed(values: numpy.ndarray, parameters: Sequence[int]) -> bool:
    """Whether the response is not monotone.

    Either Page's test is significant while some neighbouring pair moves significantly the other way (paired t,
    one-sided since the way is given, Holm over the pairs), or the two halves of the range, sharing their middle,
    move significantly in opposite ways (t test of the seeds' slopes, Holm over the two).
    """
    with numpy.errstate(invalid="ignore"):
        steps = numpy.diff(values, axis=1)
    p_value, direction = page_p_value(values)
    p_against = holm([paired_p_value(-direction * step, "greater") for step in steps.T])
    if p_value < LEVEL and (p_against < LEVEL).any():
        return True
    sizes = values.shape[1]
    lower, upper = slice(0, sizes // 2 + 1), slice((sizes - 1) // 2, sizes)
    with numpy.errstate(invalid="ignore"):
        halves = [slopes(values[:, half], parameters[half]) for half in (lower, upper)]
    p_halves = holm([paired_p_value(half) for half in halves])
    return bool((p_halves < LEVEL).all() and halves[0].mean() * halves[1].mean() < 0)


def retreats(values: numpy.ndarray, direction: int, margin: float) -> bool:
    """Whether some size lies further back than an earlier one, on the way in `direction`: in every seed, and by
    more than the margin in the mean. With few seeds that sees a U for which `is_mixed` lacks the power."""
    for earlier, later in itertools.combinations(range(values.shape[1]), 2):
        with numpy.errstate(invalid="ignore"):
            back = direction * (values[:, earlier] - values[:, later])
        if (back > 0).all() and back.mean() > margin:
            return True
    return False


def is_flat(values: numpy.ndarray, margins: numpy.ndarray) -> bool:
    """Whether every size's paired difference from the smallest is within its margin: two one-sided t tests each.

    `margins` has shape (sizes - 1,), positive. Schuirmann 1987.
    """
    with numpy.errstate(invalid="ignore"):
        differences = values[:, 1:] - values[:, :1]
    if not numpy.isfinite(differences).all():
        return False
    mean = differences.mean(axis=0)
    error = differences.std(axis=0, ddof=1) / len(values) ** 0.5
    reach = stats.t.ppf(1 - LEVEL, len(values) - 1) * error
    return bool((numpy.abs(mean) + reach < margins).all())


def theil_sen_slope(values: numpy.ndarray, parameters: Sequence[int]) -> float:
    """Theil and Sen's median slope per doubling over all seeds and sizes; descriptive only."""
    if not numpy.isfinite(values).all():
        return numpy.nan
    doublings = numpy.tile(numpy.log2(parameters), len(values))
    with numpy.errstate(invalid="ignore"):  # of its interval, which ties can leave without a width
        return float(stats.theilslopes(values.ravel(), doublings).slope)
