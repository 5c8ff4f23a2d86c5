"""Verdicts: how each feature of the loss curve moves as parameters grow, in every circumstance.

In this order: `diverged` (every run of a size did), `mixed` (not monotone), `flat` (within the margin of the
smallest), `rises` or `falls` (Page's exact test, and no retreat of the mean beyond the margin, which with few
seeds may be a U that `mixed` lacks the power to see), `undecided`. Holm's adjustment runs over one primary family,
{objective, data loss} x {starting loss, end value} x circumstances; the rest is descriptive and judged by its own
p. It must not know files or figures.
"""

import itertools
from collections.abc import Iterable, Mapping

import numpy
import pandas

from widthwise.features import FEATURES
from widthwise.trend import (
    LEVEL,
    holm,
    is_flat,
    is_mixed,
    mean_interval,
    page_p_value,
    retreat,
    slopes,
    theil_sen_slope,
)

PRIMARY_FEATURES = ("starting_loss", "end_value")
LOSS_MARGIN = 0.05  # nats, over the whole range of sizes
TIME_MARGIN = numpy.log2(1.05)  # doublings of time per doubling of parameters
COLUMNS = [
    "circumstance", "measure", "feature", "verdict", "slope_per_doubling", "ci_low", "ci_high", "p_value",
    "p_holm", "seeds", "widths", "expected", "agrees", "theil_sen_slope", "change", "penalty_share", "diverged",
    "primary",
]  # fmt: skip


def judge_study(
    runs: pandas.DataFrame, starts: pandas.DataFrame, expectations: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> pandas.DataFrame:
    """A row for each circumstance x measure x feature, as verdicts.csv has them.

    `runs` has a row a run with its features, `starts` a row an initialisation with its losses; `expectations`
    give circumstance -> measure -> feature -> verdict and decide which circumstances are judged.
    """
    responses = {
        (circumstance, measure, feature): response_of(runs, starts, circumstance, measure, feature)
        for circumstance in runs["circumstance"].unique()
        if circumstance in expectations
        for measure, features in FEATURES.items()
        for feature in features
    }
    p_values = {key: trend_p_value(values) for key, (values, _) in responses.items()}
    primary = [key for key in responses if key[2] in PRIMARY_FEATURES]
    p_holm = dict(zip(primary, holm([p_values[key] for key in primary]), strict=True))
    rows = []
    for key, (values, parameters) in responses.items():
        circumstance, measure, feature = key
        expected = expectations[circumstance].get(measure, {}).get(feature)
        verdict = judge(values, parameters, feature, p_holm.get(key, p_values[key]))
        slope = mean_interval(slopes(values, parameters)) if numpy.isfinite(values).all() else mean_interval([])
        rows.append(
            {
                "circumstance": circumstance,
                "measure": measure,
                "feature": feature,
                "verdict": verdict,
                "slope_per_doubling": slope.estimate,
                "ci_low": slope.low,
                "ci_high": slope.high,
                "p_value": p_values[key],
                "p_holm": p_holm.get(key, numpy.nan),
                "seeds": values.shape[0],
                "widths": values.shape[1],
                "expected": expected,
                "agrees": None if expected is None else expected == verdict,
                "theil_sen_slope": theil_sen_slope(values, parameters),
                "change": numpy.median(values[:, -1]) - numpy.median(values[:, 0]),
                "penalty_share": penalty_share(responses, key),
                "diverged": int((~numpy.isfinite(values)).sum()),
                "primary": key in p_holm,
            }
        )
    return pandas.DataFrame(rows, columns=COLUMNS)


def feature_means(runs: pandas.DataFrame, starts: pandas.DataFrame, circumstances: Iterable[str]) -> pandas.DataFrame:
    """A row for each circumstance x measure x feature x size: mean and 95% t interval over seeds.

    Times are log2 of steps; a mean is NaN where a seed's value is not finite.
    """
    rows = []
    for circumstance, (measure, features) in itertools.product(circumstances, FEATURES.items()):
        for feature in features:
            values, parameters = response_of(runs, starts, circumstance, measure, feature)
            for column, size in zip(values.T, parameters, strict=True):
                interval = mean_interval(column)
                rows.append(
                    {
                        "circumstance": circumstance,
                        "measure": measure,
                        "feature": feature,
                        "parameters": size,
                        "mean": interval.estimate,
                        "ci_low": interval.low,
                        "ci_high": interval.high,
                        "seeds": len(column),
                        "finite": int(numpy.isfinite(column).sum()),
                    }
                )
    return pandas.DataFrame(rows)


def response_of(
    runs: pandas.DataFrame, starts: pandas.DataFrame, circumstance: str, measure: str, feature: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A feature's values, shape (seeds, sizes), and the sizes' parameters, ascending.

    Times come as log2 of steps, so that a slope is doublings of time per doubling of parameters.
    """
    if feature == "starting_loss":
        of_circumstance = starts[starts["circumstance"] == circumstance]
        table = of_circumstance.pivot(index="seed", columns="parameters", values=measure)
    else:
        of_circumstance = runs[runs["circumstance"] == circumstance]
        table = of_circumstance.pivot(index="seed", columns="parameters", values=f"{measure}_{feature}")
    if table.isna().any(axis=None):
        raise ValueError(f"{circumstance}: {measure} {feature} is missing for some seed and size")
    values = table.to_numpy(dtype=float)
    if feature == "steps_to_midway":
        values = numpy.log2(numpy.maximum(values, 1))
    return values, table.columns.to_numpy()


def trend_p_value(values: numpy.ndarray) -> float:
    """Page's two-sided p."""
    return page_p_value(values)[0]


def judge(values: numpy.ndarray, parameters: numpy.ndarray, feature: str, p_value: float) -> str:
    """The verdict on one response (seeds, sizes), given the p value that decides on a trend."""
    if numpy.isinf(values).all(axis=0).any() and feature != "steps_to_midway":
        return "diverged"
    if is_mixed(values, parameters):
        return "mixed"
    doublings = numpy.log2(parameters[1:] / parameters[0])
    margins = TIME_MARGIN * doublings if feature == "steps_to_midway" else numpy.full(len(doublings), LOSS_MARGIN)
    if is_flat(values, margins):
        return "flat"
    direction = page_p_value(values)[1]
    if p_value < LEVEL and retreat(values, direction) < margins.max():
        return "rises" if direction > 0 else "falls"
    return "undecided"


def penalty_share(responses: dict, key: tuple[str, str, str]) -> float:
    """Of the objective's rise from the smallest size to the largest, the share that is penalty: an identity.

    NaN unless the mean objective rises. A cause is claimed only from a contrast of circumstances.
    """
    circumstance, measure, feature = key
    if measure != "objective" or feature not in PRIMARY_FEATURES:
        return numpy.nan
    objective, _ = responses[key]
    data_loss, _ = responses[(circumstance, "data_loss", feature)]
    if not (numpy.isfinite(objective[:, [0, -1]]).all() and numpy.isfinite(data_loss[:, [0, -1]]).all()):
        return numpy.nan
    rise = (objective[:, -1] - objective[:, 0]).mean()
    rise_of_data_loss = (data_loss[:, -1] - data_loss[:, 0]).mean()
    return (rise - rise_of_data_loss) / rise if rise > 0 else numpy.nan
