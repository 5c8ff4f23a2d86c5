"""Many jobs' files as one table, complete or not at all.

The seed is the replicate of every claim. A run that is missing, duplicated or made with other settings would silently
change a conclusion, so it is an error that names the run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import pandas

from widthwise.analysis.features import printed_losses, run_features
from widthwise.analysis.tables import RUN_FACTS, make_table
from widthwise.study.catalogue import flatten
from widthwise.study.identity import IDENTITY, run_name


class IncompleteTableError(ValueError):
    """Runs are missing, duplicate, unexpected, damaged, or made with other settings."""


def check_complete(found: Iterable[str], expected: Sequence[str], what: str) -> None:
    """Raises IncompleteTableError that names everything missing, duplicate or unexpected, such as runs."""
    counts = Counter(list(found))
    faults = [
        *(f"missing {name}" for name in expected if name not in counts),
        *(f"duplicate {name}" for name, count in counts.items() if count > 1),
        *(f"unexpected {name}" for name in sorted(counts.keys() - set(expected))),
    ]
    if faults:
        raise IncompleteTableError(f"{what}: {'; '.join(faults)}")


@dataclass(frozen=True)
class Expected:
    """What a run of the study is made with: its settings, as nested dictionaries, and its dataset's digest."""

    settings: Mapping[str, Any]
    dataset: str


def differences(record: Mapping[str, Any], expected: Expected) -> str:
    """How a run was made, where that is not as the study has it; empty if it is."""
    there, here = flatten(record["settings"]), flatten(expected.settings)
    found = [
        f"{key} is {there.get(key, 'missing')}, not {here.get(key, 'missing')}"
        for key in dict.fromkeys([*here, *there])
        if there.get(key) != here.get(key)
    ]
    if record["dataset"]["digest"] != expected.dataset:
        found.append("it was trained on another dataset")
    return ", ".join(found)


def gather_runs(records: Sequence[Mapping[str, Any]], expected: Sequence[str]) -> pandas.DataFrame:
    """One row for each expected run, in that order: its identity and facts, without features yet.

    `records` are the contents of run.json, `expected` the runs' names. Raises IncompleteTableError.
    """
    check_complete(map(run_name, records), expected, "run.json")
    by_name = {run_name(record): record for record in records}
    columns = [*IDENTITY, *RUN_FACTS]
    return make_table("runs", ({column: by_name[name][column] for column in columns} for name in expected), columns)


def gather_losses(logs: Sequence[pandas.DataFrame], runs: pandas.DataFrame) -> pandas.DataFrame:
    """The rows of all logs, in the order of `runs` and then of steps.

    A run that diverged at once has a log without rows.

    Raises IncompleteTableError where a log is missing or duplicated, holds several runs, has steps out of order, or
    does not end with its run.
    """
    by_name: dict[str, pandas.DataFrame] = {}
    for log in logs:
        if log.empty:
            continue
        names = sorted({run_name(row) for row in log[IDENTITY].drop_duplicates().to_dict("records")})
        if len(names) > 1:
            raise IncompleteTableError(f"losses.csv of {names[0]}: also holds rows of {names[1]}")
        if names[0] in by_name:
            raise IncompleteTableError(f"losses.csv: duplicate {names[0]}")
        if not (log["step"].is_monotonic_increasing and log["step"].is_unique and log["step"].iloc[0] == 0):
            raise IncompleteTableError(f"losses.csv of {names[0]}: steps must ascend from 0")
        by_name[names[0]] = log
    rows = {run_name(run): run for run in runs.to_dict("records")}
    check_complete(by_name, [name for name in rows if name in by_name or not rows[name]["diverged"]], "losses.csv")
    for name, run in rows.items():
        last = by_name[name]["step"].iloc[-1] if name in by_name else 0
        if not run["diverged"] and not last == run["steps"] == run["planned_steps"]:
            raise IncompleteTableError(f"losses.csv of {name}: ends at step {last} of {run['planned_steps']}")
    ordered = [by_name[name] for name in rows if name in by_name]
    return pandas.concat(ordered, ignore_index=True) if ordered else make_table("losses", [])


def gather_circumstance(
    records: Sequence[Mapping[str, Any]],
    logs: Sequence[pandas.DataFrame],
    expected: Sequence[str],
    *,
    decay_step: int,
    end_window: float,
) -> dict[str, pandas.DataFrame]:
    """One circumstance's tables: losses, printed, and runs with the features of their loss curves."""
    runs = gather_runs(records, expected)
    losses = gather_losses(logs, runs)
    printed = printed_losses(losses, IDENTITY)
    log_of, printed_of = (dict(list(table.groupby(["size", "seed"], sort=False))) for table in (losses, printed))
    rows = []
    for run, steps in zip(runs.to_dict("records"), budget_steps(runs), strict=True):
        key = run["size"], run["seed"]
        features = run_features(
            log_of.get(key, losses.iloc[:0]),
            printed_of.get(key, printed.iloc[:0])["printed"].to_numpy(),
            run,
            decay_step=decay_step,
            end_window=end_window,
            budget_steps=steps,
        )
        rows.append(run | features)
    return {
        "losses": make_table("losses", losses),
        "runs": make_table("runs", rows),
        "printed": make_table("printed", printed),
    }


def budget_steps(runs: pandas.DataFrame) -> numpy.ndarray:
    """How many steps of each run cost what the middle size's whole training costs; NaN for sizes below the middle."""
    sizes = runs.drop_duplicates("parameters").sort_values("parameters")
    middle = sizes.iloc[(len(sizes) - 1) // 2]
    steps = middle["planned_steps"] * (middle["flops_per_step"] / runs["flops_per_step"])
    return steps.where(runs["parameters"] >= middle["parameters"]).to_numpy()


def gather_starts(
    measured: Sequence[pandas.DataFrame],
    sources: Mapping[str, str],
    sizes: Mapping[str, Sequence[str]],
    reported_l2: Mapping[str, float],
    initialisations: int,
) -> pandas.DataFrame:
    """Starting losses by circumstance, with the penalty of its lambda.

    Args:
        measured: the starting losses of one network each, under the name of the circumstance that they come from.
        sources: circumstance -> the circumstance whose initial networks it shares.
        sizes: circumstance -> its sizes.
        reported_l2: circumstance -> lambda, where the objective holds the penalty, else 0.
        initialisations: how many each network has.

    Raises IncompleteTableError where a network is missing, duplicated, or has another number of initialisations.
    """
    together = pandas.concat(measured, ignore_index=True)
    needed = list(dict.fromkeys(f"{sources[name]}/{size}" for name in sources for size in sizes[name]))
    check_complete((f"{table['circumstance'].iloc[0]}/{table['size'].iloc[0]}" for table in measured), needed, "starts")
    counts = together.groupby(["circumstance", "size"], sort=False)["head"].count()
    for (source, size), count in counts[counts != initialisations].items():
        raise IncompleteTableError(f"starts: {source}/{size} has {count} initialisations, not {initialisations}")
    parts = []
    for circumstance, source in sources.items():
        part = together[(together["circumstance"] == source) & together["size"].isin(sizes[circumstance])]
        penalty = reported_l2[circumstance] * part["sum_of_squares"]
        parts.append(part.assign(circumstance=circumstance, penalty=penalty, objective=part["data_loss"] + penalty))
    return make_table("starts", pandas.concat(parts, ignore_index=True))
