"""The penalty at the start and at the end of training: how much more of it larger networks have, and what changes it.

A kernel followed by BatchNorm computes the same at every scale. Weight decay shrinks it, gradient steps make it grow,
and the penalty drifts to where the two balance, from above or from below (van Laarhoven 2017; Kosson et al. 2023).
Means and ratios are geometric; intervals are t intervals over seeds, of logarithms, at 95%. Nothing here enters a
verdict.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy
import pandas

from widthwise.analysis.inference import Interval, lies_between, t_interval
from widthwise.analysis.tables import make_table
from widthwise.analysis.verdicts import DESCRIPTIVE_LEVEL, pivot

LEVEL_DRIFT = 0.02  # of the log of a level penalty, in a tenth of the steps

# (circumstance, reference or None) -> the lowest and the highest ratio that were expected.
Expected = Mapping[tuple[str, str | None], tuple[float, float]]
# Circumstance -> the logarithms of its penalties at the end, as `log_penalties` has them.
Ends = Mapping[str, pandas.DataFrame]


def log_penalties(runs: pandas.DataFrame, circumstance: str, feature: str) -> pandas.DataFrame:
    """The logarithm of the penalty at the start or the end, by seed and, ascending, by parameters.

    It is the reported loss less the data loss. Sizes of which a run diverged, or without a penalty, are left out.
    """
    of_circumstance = runs[runs["circumstance"] == circumstance]
    penalty = of_circumstance[f"objective_{feature}"] - of_circumstance[f"data_loss_{feature}"]
    known = penalty.where(~of_circumstance["diverged"].astype(bool) & (penalty > 0))
    return pivot(of_circumstance.assign(penalty=numpy.log(known)), "penalty", "seed").dropna(axis="columns")


def end_penalties(runs: pandas.DataFrame, circumstances: Iterable[str]) -> Ends:
    """The logarithms of the penalties at the end, by circumstance."""
    return {name: log_penalties(runs, name, "end_value") for name in circumstances}


def penalties(runs: pandas.DataFrame, ends: Ends) -> pandas.DataFrame:
    """Makes the table of penalties: of every size, at the start and over the end window."""
    rows = []
    for name, of_circumstance in ends.items():
        starts = log_penalties(runs, name, "starting_loss").reindex(columns=of_circumstance.columns)
        of_sizes = runs[runs["circumstance"] == name].groupby("parameters")
        for parameters, logs in of_circumstance.items():
            end = geometric(logs)
            of_size = of_sizes.get_group(parameters)
            rows.append(
                {
                    "circumstance": name,
                    "size": of_size["size"].iloc[0],
                    "parameters": parameters,
                    "start": numpy.exp(starts[parameters].mean()),
                    "end": end.estimate,
                    "ci_low": end.low,
                    "ci_high": end.high,
                    "seeds": len(logs),
                    "level": (of_size["penalty_drift"].abs() <= LEVEL_DRIFT).sum(),
                }
            )
    return make_table("penalties", rows)


def penalty_ratios(
    runs: pandas.DataFrame, ends: Ends, references: Mapping[str, str], expected: Expected
) -> pandas.DataFrame:
    """Makes the table of ratios of penalties at the end.

    Without a `reference`, a row compares the largest size with the smallest, and `power` is the power of the parameters
    that this makes. With one, it compares the largest size's penalty with the reference's. A row needs both, whole.
    """
    rows = []
    for name, reference, logs, power_of in compared_penalties(runs, ends, references):
        ratio = geometric(logs)
        wanted = expected.get((name, reference))
        rows.append(
            {
                "circumstance": name,
                "reference": reference,
                "ratio": ratio.estimate,
                "ci_low": ratio.low,
                "ci_high": ratio.high,
                "power": numpy.log(ratio.estimate) / power_of,
                "seeds": len(logs),
                "expected_low": wanted[0] if wanted else None,
                "expected_high": wanted[1] if wanted else None,
                "agrees": lies_between(ratio, *wanted) if wanted else None,
            }
        )
    return make_table("penalty_ratios", rows)


def compared_penalties(
    runs: pandas.DataFrame, ends: Ends, references: Mapping[str, str]
) -> Iterator[tuple[str, str | None, numpy.ndarray, float]]:
    """Yields circumstance, reference, each seed's log ratio, and the log ratio of parameters (NaN with a reference)."""
    for name, ours in ends.items():
        parameters = runs.loc[runs["circumstance"] == name, "parameters"]
        smallest, largest = parameters.min(), parameters.max()
        if largest not in ours:
            continue
        if smallest in ours:
            yield name, None, (ours[largest] - ours[smallest]).to_numpy(), float(numpy.log(largest / smallest))
        theirs = ends.get(references.get(name))
        if theirs is not None and largest in theirs:
            yield name, references[name], (ours[largest] - theirs[largest]).to_numpy(), numpy.nan


def geometric(logs: numpy.ndarray) -> Interval:
    """The geometric mean of values whose logarithms these are, with its interval."""
    interval = t_interval(logs, DESCRIPTIVE_LEVEL)
    with numpy.errstate(over="ignore"):
        return Interval(*(float(numpy.exp(value)) for value in (interval.estimate, interval.low, interval.high)))
