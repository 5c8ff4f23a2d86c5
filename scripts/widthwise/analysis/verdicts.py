"""Verdicts: how each feature of the loss curve moves as parameters grow, in every circumstance.

A circumstance's family is {objective, data loss} x {start, end}: 5% in all, 0.25% for each start and 2.25% for each
end. Every other row is descriptive, at 5%. So are the starts of loss curves that were not made here: they are
one row of each run, over seeds. The rule is that of `inference`, and no row's verdict depends on another
circumstance. For sentences over the whole catalogue `p_catalogue` adjusts the primary rows' p after Holm.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import numpy
import pandas

from widthwise.analysis.features import ROW_MEASURES
from widthwise.analysis.inference import (
    DECAY,
    END,
    ROUNDING,
    START,
    TIME,
    Response,
    direction,
    holm,
    judge,
    lies_between,
    t_interval,
)
from widthwise.analysis.tables import classes_of, make_table
from widthwise.study.requirements import FEATURES

LEVELS = {
    (measure, feature): level
    for measure in ROW_MEASURES
    for feature, level in (("starting_loss", 0.0025), ("end_value", 0.0225))
}
LEVELS_OF_CURVES = {key: level for key, level in LEVELS.items() if key[1] == "end_value"}
DESCRIPTIVE_LEVEL = 0.05
PLATEAU_LEVEL, PLATEAU_NATS, PLATEAU_SHARE_OF_DROP = 0.1, 0.01, 0.02
KINDS = {
    "starting_loss": END,  # of the printed loss: the mean over an epoch of training
    "initial_decay": DECAY,
    "steps_to_midway": TIME,
    "end_value": END,
    "equal_compute": END,
}

Expectations = Mapping[str, Mapping[str, Mapping[str, str]]]
Levels = Mapping[tuple[str, str], float]
Key = tuple[str, str, str]


def level_of(measure: str, feature: str, levels: Levels = LEVELS) -> float:
    """The level at which a row is judged; `levels` are those of the rows that are tested together."""
    return levels.get((measure, feature), DESCRIPTIVE_LEVEL)


def rises_by_chance(verdicts: int) -> float:
    """How many of so many descriptive verdicts come out as rises, on average, where nothing has an effect."""
    return verdicts * DESCRIPTIVE_LEVEL / 2


def has_starts(measure: str, feature: str) -> bool:
    """Whether a row is judged on networks that are not trained; its replicates are then backbones, not seeds."""
    return feature == "starting_loss" and measure in ROW_MEASURES


def judge_study(responses: Mapping[Key, Response], expectations: Expectations, levels: Levels) -> pandas.DataFrame:
    """Makes the table of verdicts, one row for each response.

    `expectations` map circumstance -> measure -> feature -> the verdict that was predicted; `levels` as for `level_of`.
    """
    outcomes = {key: judge(response, level_of(*key[1:], levels)) for key, response in responses.items()}
    adjusted = catalogue_p_values(responses, {key: outcome.p_value for key, outcome in outcomes.items()}, levels)
    rows = []
    for key, outcome in outcomes.items():
        row = dict(zip(("circumstance", "measure", "feature"), key, strict=True)) | asdict(outcome)
        rows.append(row | {"p_catalogue": adjusted.get(key)} | agreement_columns(expectations, key, outcome.verdict))
    return make_table("verdicts", rows)


def agreement_columns(expectations: Expectations, key: Key, verdict: str) -> dict[str, str | bool | None]:
    """The expected verdict, if there is one, and whether it came out."""
    circumstance, measure, feature = key
    expected = expectations.get(circumstance, {}).get(measure, {}).get(feature)
    return {"expected": expected, "agrees": None if expected is None else expected == verdict}


def catalogue_p_values(
    responses: Mapping[Key, Response], p_values: Mapping[Key, float], levels: Levels
) -> dict[Key, float]:
    """Holm's p of every primary row over all distinct circumstances.

    A row whose values equal those of the same row of another circumstance, or of the other loss where there is no
    penalty, is the same test. It counts once, and all share its p.
    """
    tests = {key: identity_of_test(key, response) for key, response in responses.items() if key[1:] in levels}
    distinct = {test: p_values[key] for key, test in tests.items()}
    adjusted = dict(zip(distinct, holm(list(distinct.values())), strict=True))
    return {key: float(adjusted[test]) for key, test in tests.items()}


def identity_of_test(key: Key, response: Response) -> tuple:
    """What makes a row the same test as another: its feature, and all that decides its verdict, to rounding."""
    values = numpy.round(response.values, 6) + 0.0  # no -0.0
    return key[2], *(array.tobytes() for array in (response.parameters, response.diverged, values))


def all_responses(
    runs: pandas.DataFrame, starts: pandas.DataFrame, circumstances: Iterable[str], least_sizes: int
) -> dict[Key, Response]:
    """Every feature's response in every circumstance, by circumstance, measure and feature.

    Features that the tables do not have, and those for which fewer than `least_sizes` sizes have a value, are left out.
    Raises ValueError where a circumstance has no runs, or a seed lacks a size.
    """
    return {
        (circumstance, measure, feature): response
        for circumstance in circumstances
        for measure, feature, response in responses_of(
            runs[runs["circumstance"] == circumstance], starts[starts["circumstance"] == circumstance], circumstance
        )
        if len(response.parameters) >= least_sizes
    }


def responses_of(
    runs: pandas.DataFrame, starts: pandas.DataFrame, circumstance: str
) -> Iterator[tuple[str, str, Response]]:
    """One circumstance's responses, with measure and feature."""
    if runs.empty:
        raise ValueError(f"{circumstance}: runs.csv has no runs of this circumstance")
    classes = classes_of(runs)
    guessing = math.nan if classes is None else math.log(classes)
    for measure, features in FEATURES.items():
        for feature in features:
            try:
                if has_starts(measure, feature):
                    if measure in starts:
                        yield measure, feature, starting_response(starts, measure, guessing)
                elif is_known(runs, f"{measure}_{feature}"):
                    yield measure, feature, run_response(runs, measure, feature)
            except ValueError as error:
                raise ValueError(f"{circumstance}: {measure} {feature}: {error}") from error


def is_known(runs: pandas.DataFrame, column: str) -> bool:
    """Whether some run has a value of a feature."""
    return column in runs and bool(runs[column].notna().any())


def run_response(runs: pandas.DataFrame, measure: str, feature: str) -> Response:
    """A feature of one circumstance's runs, by seed and size; sizes for which it is not defined are left out."""
    column = f"{measure}_{feature}"
    known = runs[runs[column].notna()] if feature == "equal_compute" else runs
    values = pivot(known, column, "seed")
    at_horizon = None
    if feature == "steps_to_midway":
        at_horizon = pivot(known.assign(at_horizon=is_at_horizon(known)), "at_horizon", "seed").to_numpy(dtype=bool)
    diverged = pivot(known, "diverged", "seed").to_numpy(dtype=bool)
    return Response(values.to_numpy(dtype=float), diverged, values.columns.to_numpy(), KINDS[feature], at_horizon)


def is_at_horizon(runs: pandas.DataFrame) -> pandas.Series:
    """Whether each run's time to midway is only known to be longer than the run."""
    return runs["data_loss_steps_to_midway"] >= numpy.log2(runs["planned_steps"]) - ROUNDING


def starting_response(starts: pandas.DataFrame, measure: str, guessing: float) -> Response:
    """A circumstance's starting losses, by backbone and size: the mean over the heads on each backbone.

    The backbone is the replicate. A start that is not finite has diverged; it is at least as bad as guessing.
    """
    means = starts.groupby(["backbone", "parameters"], as_index=False)[measure].mean(skipna=False)
    values = pivot(means, measure, "backbone")
    array = values.to_numpy(dtype=float)
    diverged = ~numpy.isfinite(array)
    return Response(numpy.where(diverged, guessing, array), diverged, values.columns.to_numpy(), START)


def pivot(table: pandas.DataFrame, column: str, replicate: str) -> pandas.DataFrame:
    """A column by replicate and, ascending, by parameters. Raises ValueError where a replicate lacks a size."""
    wide = table.pivot(index=replicate, columns="parameters", values=column)
    if len(table) < wide.size:
        raise ValueError(f"{len(table)} values for {len(wide)} {replicate}s of {wide.shape[1]} sizes")
    return wide


def plateau(runs: pandas.DataFrame, measure: str) -> str | None:
    """Whether a size's loss is `settled`, `moving`, or too noisy to tell: `unresolved`; None without rows.

    Settled is where the 90% t interval of the drift over seeds lies within 0.01 nats in a tenth of the steps, and
    within 2% of the total drop; moving where it excludes zero instead. Where runs diverged that is told instead:
    `diverged`, or `some diverged`.
    """
    drifts = runs[f"{measure}_drift"].to_numpy(float)
    diverged = runs["diverged"].astype(bool)
    if diverged.any():
        return "diverged" if diverged.all() else "some diverged"
    if numpy.isnan(drifts).any():
        return None
    drop = (runs[f"{measure}_starting_loss"] - runs[f"{measure}_end_value"]).mean()
    bound = min(PLATEAU_NATS, PLATEAU_SHARE_OF_DROP * drop)
    found = t_interval(drifts, PLATEAU_LEVEL)
    if lies_between(found, -bound, bound) == "yes":
        return "settled"
    return "moving" if direction(found) else "unresolved"


def feature_means(responses: Mapping[Key, Response], runs: pandas.DataFrame) -> pandas.DataFrame:
    """Makes the table of features: mean and 95% t interval over seeds, for each feature and size.

    Where a run of a size diverged there is no mean. An end says whether the size has settled.
    """
    sizes = runs.drop_duplicates(["circumstance", "parameters"]).set_index(["circumstance", "parameters"])["size"]
    of_sizes = runs.groupby(["circumstance", "parameters"])
    rows = []
    for (circumstance, measure, feature), response in responses.items():
        intervals = t_interval(response.values, DESCRIPTIVE_LEVEL)
        diverged = response.diverged.sum(axis=0)
        at_horizon = numpy.zeros_like(diverged) if response.at_horizon is None else response.at_horizon.sum(axis=0)
        loss = "data_loss" if measure == "data_loss" else "objective"
        for index, parameters in enumerate(response.parameters):
            known = diverged[index] == 0
            rows.append(
                {
                    "circumstance": circumstance,
                    "measure": measure,
                    "feature": feature,
                    "size": sizes[circumstance, parameters],
                    "parameters": parameters,
                    "mean": intervals.estimate[index] if known else numpy.nan,
                    "ci_low": intervals.low[index] if known else numpy.nan,
                    "ci_high": intervals.high[index] if known else numpy.nan,
                    "seeds": len(response.values),
                    "diverged": diverged[index],
                    "at_horizon": at_horizon[index],
                    "plateau": plateau(of_sizes.get_group((circumstance, parameters)), loss)
                    if feature == "end_value"
                    else None,
                }
            )
    return make_table("features", rows)
