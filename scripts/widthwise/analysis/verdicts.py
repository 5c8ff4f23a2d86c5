"""Verdicts: how each feature of the loss curve moves as parameters grow, in every circumstance.

In this order: `diverged` (every run of a size did), `mixed` (not monotone), `flat` (within the margin of the
smallest), `rises` or `falls` (Page's exact test; but not where the response goes back by more than the margin on
its way, since a U must never be called rising and with few seeds `mixed` may not see it), `undecided`. Holm's
adjustment runs over one primary family, {objective, data loss} x {starting loss, end value} x circumstances; the rest
is descriptive and judged by its own p. It must not know files or figures.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy
import pandas

from widthwise.analysis.features import FEATURES
from widthwise.analysis.inference import (
    LEVEL,
    holm,
    is_flat,
    is_mixed,
    mean_interval,
    page_p_value,
    retreats,
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
    p_values = {key: page_p_value(response.values)[0] for key, response in responses.items()}
    primary = [key for key in responses if key[2] in PRIMARY_FEATURES]
    p_holm = dict(zip(primary, holm([p_values[key] for key in primary]), strict=True))
    rows = []
    for key, response in responses.items():
        circumstance, measure, feature = key
        values, parameters = response.values, response.parameters
        expected = expectations[circumstance].get(measure, {}).get(feature)
        verdict = judge(response, feature, p_holm.get(key, p_values[key]))
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
                "diverged": int(response.diverged.sum()),
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
            response = response_of(runs, starts, circumstance, measure, feature)
            for column, size in zip(response.values.T, response.parameters, strict=True):
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


@dataclass(frozen=True)
class Response:
    """One feature in one circumstance: `values` and `diverged` (seeds, sizes), by ascending `parameters`.

    A value is infinite where the run diverged or the time was not reached. `sizes` are the sizes' names.
    """

    values: numpy.ndarray
    diverged: numpy.ndarray
    parameters: numpy.ndarray
    sizes: list[str]

    @property
    def lost_a_size(self) -> bool:
        """Whether every run of some size diverged."""
        return bool(self.diverged.all(axis=0).any())


def response_of(
    runs: pandas.DataFrame, starts: pandas.DataFrame, circumstance: str, measure: str, feature: str
) -> Response:
    """A feature's response, from the runs or, for the starting loss, from the initialisations.

    Times come as log2 of steps, so that a slope is doublings of time per doubling of parameters. Raises ValueError
    where a seed lacks a size.
    """
    starting = feature == "starting_loss"
    table = starts if starting else runs
    table = table[table["circumstance"] == circumstance]
    table = table.assign(value=table[measure if starting else f"{measure}_{feature}"])
    if starting:  # a loss that is not a number has diverged before any step
        finite = numpy.isfinite(table["value"])
        table = table.assign(value=table["value"].where(finite, numpy.inf), diverged=~finite)
    values, diverged = (table.pivot(index="seed", columns="parameters", values=v) for v in ("value", "diverged"))
    if values.isna().any(axis=None):
        raise ValueError(f"{circumstance}: {measure} {feature} is missing for some seed and size")
    parameters = values.columns.to_numpy()
    names = table.drop_duplicates("parameters").set_index("parameters")["size"]
    values = values.to_numpy(dtype=float)
    if feature == "steps_to_midway":
        values = numpy.log2(numpy.maximum(values, 1))
    return Response(values, diverged.to_numpy(dtype=bool), parameters, list(names.loc[parameters]))


def judge(response: Response, feature: str, p_value: float) -> str:
    """The verdict on one response, given the p value that decides on a trend."""
    values, parameters = response.values, response.parameters
    if response.lost_a_size:
        return "diverged"
    if is_mixed(values, parameters):
        return "mixed"
    doublings = numpy.log2(parameters[1:] / parameters[0])
    margins = TIME_MARGIN * doublings if feature == "steps_to_midway" else numpy.full(len(doublings), LOSS_MARGIN)
    if is_flat(values, margins):
        return "flat"
    direction = page_p_value(values)[1]
    if p_value < LEVEL and not retreats(values, direction, margins.max()):
        return "rises" if direction > 0 else "falls"
    return "undecided"


def penalty_share(responses: dict, key: tuple[str, str, str]) -> float:
    """Of the objective's rise from the smallest size to the largest, the share that is penalty: an identity.

    NaN unless the mean objective rises. A cause is claimed only from a contrast of circumstances.
    """
    circumstance, measure, feature = key
    if measure != "objective" or feature not in PRIMARY_FEATURES:
        return numpy.nan
    objective = responses[key].values
    data_loss = responses[(circumstance, "data_loss", feature)].values
    if not (numpy.isfinite(objective[:, [0, -1]]).all() and numpy.isfinite(data_loss[:, [0, -1]]).all()):
        return numpy.nan
    rise = (objective[:, -1] - objective[:, 0]).mean()
    rise_of_data_loss = (data_loss[:, -1] - data_loss[:, 0]).mean()
    return (rise - rise_of_data_loss) / rise if rise > 0 else numpy.nan
