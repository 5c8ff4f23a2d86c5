"""Comparisons that say why: a circumstance against its reference, a larger network against a smaller.

A cause is claimed only from a contrast of two circumstances that are one factor apart, paired by seed and size. It
must not know files or figures.
"""

import itertools
from collections.abc import Mapping

import numpy
import pandas

from widthwise.analysis.features import FEATURES, MEASURES, crossover
from widthwise.analysis.inference import LEVEL, Interval, mean_interval, page_p_value, paired_p_value, slopes
from widthwise.analysis.verdicts import LOSS_MARGIN, TIME_MARGIN, Response, judge, response_of

TIME_LAPSE_MARGIN = 0.03  # nats
CONTRAST_COLUMNS = [
    "circumstance", "reference", "measure", "feature", "verdict", "slope_difference", "slope_ci_low", "slope_ci_high",
    "p_value", "difference_at_largest", "ci_low", "ci_high", "seeds", "diverged", "expected", "agrees",
]  # fmt: skip


def contrasts(
    runs: pandas.DataFrame,
    starts: pandas.DataFrame,
    references: Mapping[str, str],
    expectations: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> pandas.DataFrame:
    """Each circumstance less its reference: slope per doubling of parameters, and value at the largest size.

    `references` give circumstance -> reference; pairs that do not train the same sizes are left out, since nothing
    pairs them. Intervals are 95% t over seeds, NaN where a run diverged; p is a paired t test's, two-sided and
    descriptive. The verdict on the difference of slopes is by its interval, in the order of all verdicts: `diverged`
    where every run of a size of either did, `flat` where it lies within the margin (over the whole range; of times, per
    doubling), else `rises` or `falls` where it excludes 0 and so does the test, which doubts differences that are all
    the same. `expectations` give circumstance -> measure -> feature -> that verdict.
    """
    rows = []
    for (circumstance, reference), measure in itertools.product(references.items(), MEASURES):
        for feature in FEATURES[measure]:
            ours = response_of(runs, starts, circumstance, measure, feature)
            theirs = response_of(runs, starts, reference, measure, feature)
            if ours.sizes != theirs.sizes:
                continue
            with numpy.errstate(invalid="ignore"):
                difference = ours.values - theirs.values
                slope = slopes(difference, ours.parameters)
            of_slope, at_largest = mean_interval(slope), mean_interval(difference[:, -1])
            p_value = paired_p_value(slope) if numpy.isfinite(slope).all() else numpy.nan
            verdict = contrast_verdict(of_slope, p_value, ours.parameters, feature)
            if ours.lost_a_size or theirs.lost_a_size:
                verdict = "diverged"
            expected = expectations.get(circumstance, {}).get(measure, {}).get(feature)
            agrees = None if expected is None else expected == verdict
            values = [*vars(of_slope).values(), p_value, *vars(at_largest).values(), len(difference)]
            diverged = int(ours.diverged.sum() + theirs.diverged.sum())
            rows.append([circumstance, reference, measure, feature, verdict, *values, diverged, expected, agrees])
    return pandas.DataFrame(rows, columns=CONTRAST_COLUMNS)


def contrast_verdict(slope: Interval, p_value: float, parameters: numpy.ndarray, feature: str) -> str:
    """How the factor changes what more parameters do."""
    doublings = numpy.log2(parameters[-1] / parameters[0])
    margin = TIME_MARGIN if feature == "steps_to_midway" else LOSS_MARGIN / doublings
    if -margin < slope.low and slope.high < margin:
        return "flat"
    if slope.low > 0 and p_value < LEVEL:
        return "rises"
    return "falls" if slope.high < 0 and p_value < LEVEL else "undecided"


def crossovers(losses: pandas.DataFrame, runs: pandas.DataFrame) -> pandas.DataFrame:
    """For neighbouring sizes, and the largest against the smallest: in how many seeds the larger crosses below.

    Against steps, and against training FLOPs, where the larger network has fewer steps for the same cost.
    `median_crossover` is over all seeds, infinite where half of them or more never cross.
    """
    rows = []
    records = runs.set_index(["circumstance", "parameters", "seed"])
    for circumstance in runs["circumstance"].unique():
        of_circumstance = losses[losses["circumstance"] == circumstance]  # without rows where all diverged at once
        sizes = sorted(runs.loc[runs["circumstance"] == circumstance, "parameters"].unique())
        seeds = sorted(runs.loc[runs["circumstance"] == circumstance, "seed"].unique())
        logs = {key: log.set_index("step") for key, log in of_circumstance.groupby(["parameters", "seed"])}
        none = of_circumstance.iloc[:0].set_index("step")
        pairs = [("neighbours", *pair) for pair in itertools.pairwise(sizes)] + [("extremes", sizes[0], sizes[-1])]
        for measure, axis, (pair, smaller, larger) in itertools.product(MEASURES, ("step", "flops"), pairs):
            points = []
            for seed in seeds:
                curves = [logs.get((size, seed), none)[measure].copy() for size in (smaller, larger)]
                if axis == "flops":
                    for curve, size in zip(curves, (smaller, larger), strict=True):
                        curve.index = curve.index * records.loc[(circumstance, size, seed), "flops_per_step"]
                diverged = [bool(records.loc[(circumstance, size, seed), "diverged"]) for size in (smaller, larger)]
                points.append(crossover(*curves, diverged=tuple(diverged)))
            rows.append(
                {
                    "circumstance": circumstance,
                    "measure": measure,
                    "axis": axis,
                    "pair": pair,
                    "smaller": smaller,
                    "larger": larger,
                    "seeds": len(seeds),
                    "crossed": int(numpy.isfinite(points).sum()),
                    "always_below": points.count(0.0),
                    "median_crossover": float(numpy.median(points)),
                }
            )
    return pandas.DataFrame(rows)


def slopes_by_step(losses: pandas.DataFrame, runs: pandas.DataFrame) -> pandas.DataFrame:
    """How the loss goes with parameters at every logged step: what a run stopped there would have shown.

    A row for each circumstance x measure x step that every run reached: the verdict, by an unadjusted p; the mean
    slope per doubling of parameters and its 95% t interval over seeds. Descriptive: steps of one run are no replicates.
    """
    rows = []
    for circumstance, of_circumstance in losses.groupby("circumstance", sort=False):
        count = (runs["circumstance"] == circumstance).sum()
        for measure, (step, at_step) in itertools.product(MEASURES, of_circumstance.groupby("step")):
            if len(at_step) == count:
                table = at_step.pivot(index="seed", columns="parameters", values=measure)
                values, parameters = table.to_numpy(), table.columns.to_numpy()
                response = Response(values, numpy.zeros(values.shape, dtype=bool), parameters, sizes=[])
                verdict = judge(response, "end_value", page_p_value(values)[0])
                interval = mean_interval(slopes(values, parameters))
                rows.append([circumstance, measure, step, verdict, *vars(interval).values(), len(table)])
    return pandas.DataFrame(
        rows, columns=["circumstance", "measure", "step", "verdict", "slope_per_doubling", "ci_low", "ci_high", "seeds"]
    )


def time_lapse(losses: pandas.DataFrame, fast: str = "time_lapse", slow: str = "as_posted") -> pandas.DataFrame:
    """Whether a higher learning rate is a time-lapse of a lower one: the data losses at equal rate x steps.

    A row a size: the mean difference, fast less slow, at the slow runs' last step, its 90% t interval over seeds,
    and whether that lies within 0.03 nats (two one-sided tests). Without rows unless the study has both, and the
    first is the faster; without an interval, and so not equivalent, where a run diverged. `losses` has each run's
    `learning_rate` and `diverged` beside its rows. The fast run is interpolated where it was not logged at that step.
    """
    rows = []
    logs = {key: log.set_index("step") for key, log in losses.groupby(["circumstance", "parameters", "seed"])}
    for size in sorted({size for name, size, _ in logs if name == fast}):
        seeds = [seed for name, parameters, seed in logs if (name, parameters) == (slow, size)]
        differences = []
        for seed in seeds:
            slow_log, fast_log = logs[slow, size, seed], logs.get((fast, size, seed))
            if fast_log is None or fast_log["diverged"].any() or slow_log["diverged"].any():
                differences.append(numpy.inf)
                continue
            ratio = fast_log["learning_rate"].iloc[0] / slow_log["learning_rate"].iloc[0]
            if ratio <= 1:
                continue
            at_equal = numpy.interp(slow_log.index[-1] / ratio, fast_log.index, fast_log["data_loss"])
            differences.append(at_equal - slow_log["data_loss"].iloc[-1])
        if len(differences) > 1:
            interval = mean_interval(numpy.array(differences), level=0.90)
            equivalent = interval.low > -TIME_LAPSE_MARGIN and interval.high < TIME_LAPSE_MARGIN
            rows.append([size, interval.estimate, interval.low, interval.high, len(differences), equivalent])
    return pandas.DataFrame(rows, columns=["parameters", "difference", "ci_low", "ci_high", "seeds", "equivalent"])
