"""Comparisons that say why: a circumstance with its reference, a larger network with a smaller one, a layer with width.

A cause is claimed only from a contrast of two circumstances that are one factor apart, paired by seed and size.
Crossings, slopes by step and coordinate powers are descriptive.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy
import pandas

from widthwise.analysis.features import ROW_MEASURES, crossing
from widthwise.analysis.inference import (
    END,
    UNKNOWN,
    Interval,
    Response,
    bounded_interval,
    judge,
    least_squares_slope,
    lies_between,
    one_side,
    t_interval,
)
from widthwise.analysis.tables import make_table
from widthwise.analysis.verdicts import (
    DESCRIPTIVE_LEVEL,
    Expectations,
    Key,
    Levels,
    agreement_columns,
    level_of,
)
from widthwise.study.curves import AnyStudy
from widthwise.study.requirements import LEAST_SIZES

SAME = 0.0005  # nats: means that differ by no more are the same to rounding
TIME_LAPSE_MARGIN = 0.03  # nats
TIME_LAPSE_LEVEL = 0.05  # of each of two one-sided tests


def contrasts(
    responses: Mapping[Key, Response],
    sizes: Mapping[str, Sequence[str]],
    references: Mapping[str, str],
    expectations: Expectations,
    levels: Levels,
) -> pandas.DataFrame:
    """Makes the table of contrasts: each circumstance less its reference, judged by the one rule.

    Runs are paired by seed and size; a circumstance whose sizes are not its reference's has no contrast, nor a feature
    that is known at other sizes.

    Args:
        responses: by circumstance, measure and feature.
        sizes: circumstance -> the names of its sizes.
        references: circumstance -> reference.
        expectations: circumstance -> measure -> feature -> the verdict that was predicted of the contrast.
        levels: those of the rows that are tested together.
    """
    rows = []
    for key, ours in responses.items():
        circumstance, measure, feature = key
        reference = references.get(circumstance)
        theirs = responses.get((reference, measure, feature))
        if theirs is None or list(sizes[circumstance]) != list(sizes[reference]):
            continue
        if ours.values.shape != theirs.values.shape:  # known at other sizes
            continue
        level = level_of(measure, feature, levels)
        difference = ours.less(theirs)
        outcome = judge(difference, level)
        at_largest = difference_at_the_largest(difference, level)
        rows.append(
            {
                "circumstance": circumstance,
                "reference": reference,
                "measure": measure,
                "feature": feature,
                **asdict(outcome),
                **agreement_columns(expectations, key, outcome.verdict),
                "at_largest": at_largest.estimate,
                "at_largest_low": at_largest.low,
                "at_largest_high": at_largest.high,
            }
        )
    return make_table("contrasts", rows)


def difference_at_the_largest(difference: Response, level: float) -> Interval:
    """The difference in the largest size; one-sided or unknown where runs of that size diverged."""
    side = one_side(difference.bounds[difference.diverged[:, -1], -1])
    return bounded_interval(difference.values[:, -1], level, side, lost=difference.lost[:, -1].all())


def same_circumstances(study: AnyStudy, features: pandas.DataFrame) -> list[list[str]]:
    """Groups the judged circumstances whose losses are the same to rounding, so that these are shown once.

    They have the same sizes, means of every feature that differ by no more than `SAME`, and both or neither report a
    penalty. A circumstance of which a run diverged has no such means, and stays alone.

    Returns:
        Groups of names, in the order of their first.
    """
    rows = features[features["measure"].isin(ROW_MEASURES)].set_index(["measure", "feature", "size"]).sort_index()
    means = {name: rows.loc[rows["circumstance"] == name, "mean"] for name in study.judged}
    groups: list[list[str]] = []
    for name in study.judged:
        penalty = study.circumstances[name].reports_penalty
        for group in groups:
            has_penalty = study.circumstances[group[0]].reports_penalty
            if has_penalty == penalty and are_the_same(means[name], means[group[0]]):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def are_the_same(means: pandas.Series, others: pandas.Series) -> bool:
    """Whether features have the same means, to rounding, at the same sizes; not where one is unknown."""
    is_known = len(means) > 0 and means.index.equals(others.index)
    return is_known and numpy.allclose(means, others, rtol=0, atol=SAME)


@dataclass(frozen=True)
class Curves:
    """One measure's curves in one circumstance: `values` (seeds, sizes, steps), infinite after a divergence."""

    circumstance: str
    measure: str
    steps: numpy.ndarray
    parameters: numpy.ndarray
    values: numpy.ndarray


def curves_of_study(
    losses: pandas.DataFrame, printed: pandas.DataFrame | None, runs: pandas.DataFrame
) -> Iterator[Curves]:
    """Every circumstance's curves, in each measure; `runs` decide which circumstances, seeds and sizes there are.

    The printed loss, or the data loss, may not be known.
    """
    tables = [(losses, [measure for measure in ROW_MEASURES if measure in losses])]
    tables += [] if printed is None else [(printed, ["printed"])]
    for circumstance, of_circumstance in runs.groupby("circumstance", sort=False):
        seeds, parameters = (numpy.unique(of_circumstance[column]) for column in ("seed", "parameters"))
        for table, measures in tables:
            rows = table[table["circumstance"] == circumstance]
            steps = numpy.unique(rows["step"]) if len(rows) else numpy.zeros(1, dtype=int)
            place = tuple(
                numpy.searchsorted(axis, rows[column])
                for axis, column in ((seeds, "seed"), (parameters, "parameters"), (steps, "step"))
            )
            for measure in measures:
                values = numpy.full((len(seeds), len(parameters), len(steps)), numpy.inf)
                values[place] = rows[measure]
                yield Curves(circumstance, measure, steps, parameters, values)


def crossings(curves: Iterable[Curves]) -> pandas.DataFrame:
    """Makes the table of crossings: in how many seeds the larger network crosses below the smaller.

    Pairs are neighbouring sizes, and the extremes; of two sizes, the extremes alone. `median_crossing` is over all
    seeds, infinite where half of them or more never cross.
    """
    rows = []
    for found in curves:
        sizes = range(len(found.parameters))
        neighbours = itertools.pairwise(sizes) if len(sizes) > 2 else ()
        pairs = [*(("neighbours", *pair) for pair in neighbours), ("extremes", sizes[0], sizes[-1])]
        for pair, smaller, larger in pairs:
            steps = [crossing(found.steps, seed[smaller], seed[larger]) for seed in found.values]
            rows.append(
                {
                    "circumstance": found.circumstance,
                    "measure": found.measure,
                    "pair": pair,
                    "smaller": found.parameters[smaller],
                    "larger": found.parameters[larger],
                    "seeds": len(steps),
                    "crossed": numpy.isfinite(steps).sum(),
                    "always_below": steps.count(found.steps[0]),
                    "median_crossing": numpy.median(steps),
                }
            )
    return make_table("crossings", rows)


def slopes_by_step(curves: Iterable[Curves]) -> pandas.DataFrame:
    """Makes the table of slopes by step: the verdict on the loss at every step that all runs reached.

    It says what a training that stopped there would have shown. The steps of one run are no replicates. Circumstances
    with too few sizes for a verdict are left out.
    """
    rows = []
    for found in curves:
        if len(found.parameters) < LEAST_SIZES:
            continue
        reached = numpy.isfinite(found.values).all(axis=(0, 1))
        none_diverged = numpy.zeros(found.values.shape[:2], dtype=bool)
        for step, values in zip(found.steps[reached], numpy.moveaxis(found.values[:, :, reached], -1, 0), strict=True):
            outcome = judge(Response(values, none_diverged, found.parameters, END), DESCRIPTIVE_LEVEL)
            rows.append({"circumstance": found.circumstance, "measure": found.measure, "step": step} | asdict(outcome))
    return make_table("slopes_by_step", rows)


def coordinate_powers(coordinates: pandas.DataFrame) -> pandas.DataFrame:
    """Makes the table of coordinate powers: the power of width with which each layer's change goes, at each step.

    The coordinate check of Yang et al. 2022, Tensor Programs V: least squares in logs for each seed, and the interval
    over seeds. Circumstances in which width does not grow are left out.
    """
    rows = []
    for (circumstance, layer, step), powers in seed_powers(coordinates).items():
        power = power_interval(powers)
        rows.append(
            {
                "circumstance": circumstance,
                "layer": layer,
                "step": step,
                "power": power.estimate,
                "ci_low": power.low,
                "ci_high": power.high,
                "seeds": len(powers),
            }
        )
    return make_table("coordinate_powers", rows)


def seed_powers(coordinates: pandas.DataFrame) -> dict[tuple[str, str, int], numpy.ndarray]:
    """Each seed's power of width, shape (seeds,), by circumstance, layer and step; NaN where a change is zero."""
    powers = {}
    change = coordinates["rms_change"]
    logs = coordinates.assign(change=numpy.log2(change.where(change > 0)))
    for key, group in logs.groupby(["circumstance", "layer", "step"], sort=False):
        table = group.pivot(index="seed", columns="width", values="change")
        if table.shape[1] > 1:
            powers[key] = least_squares_slope(numpy.log2(table.columns.to_numpy(dtype=float)), table.to_numpy())
    return powers


def power_interval(powers: numpy.ndarray) -> Interval:
    """The mean power over seeds and its 95% t interval; unknown where a seed's is not finite."""
    return t_interval(powers, DESCRIPTIVE_LEVEL) if numpy.isfinite(powers).all() else UNKNOWN


@dataclass(frozen=True)
class TimeLapse:
    """One size's comparison at equal rate x steps: fast less slow, in nats, with a 90% interval.

    `agrees` says whether they are equal: yes, no or undecided; no where a run diverged.
    """

    size: str
    difference: Interval
    agrees: str


def time_lapse(losses: pandas.DataFrame, runs: pandas.DataFrame, fast: str, slow: str) -> list[TimeLapse]:
    """Whether a higher learning rate passes through the same data losses as a lower one, at equal rate x steps.

    Compared at the slow runs' last step, at every size that both train.

    Raises ValueError unless the fast circumstance has the higher learning rate.
    """
    rates = runs.groupby("circumstance")["learning_rate"].first()
    ratio = rates[fast] / rates[slow]
    if not ratio > 1:
        raise ValueError(f"{fast} has no higher learning rate than {slow}")
    of_pair = losses[losses["circumstance"].isin((fast, slow))]
    logs = dict(list(of_pair.groupby(["circumstance", "size", "seed"])))
    found = []
    for size, of_size in runs[runs["circumstance"].isin((fast, slow))].groupby("size", sort=False):
        if of_size["circumstance"].nunique() < 2:
            continue
        if of_size["diverged"].any():
            found.append(TimeLapse(size, UNKNOWN, "no"))
            continue
        pairs = [(logs[fast, size, seed], logs[slow, size, seed]) for seed in numpy.unique(of_size["seed"])]
        difference = t_interval([lapse(*pair, ratio) for pair in pairs], 2 * TIME_LAPSE_LEVEL)
        found.append(TimeLapse(size, difference, lies_between(difference, -TIME_LAPSE_MARGIN, TIME_LAPSE_MARGIN)))
    return found


def lapse(fast: pandas.DataFrame, slow: pandas.DataFrame, ratio: float) -> float:
    """Fast less slow, where the slow run ends; the fast run is interpolated between its rows."""
    at_equal = numpy.interp(slow["step"].iloc[-1] / ratio, fast["step"], fast["data_loss"])
    return float(at_equal - slow["data_loss"].iloc[-1])
