"""Many jobs' files as one table, complete or not at all.

The replicate of every claim is a seed, so a run that is missing, or there twice, would change a conclusion
without a sign: it is an error that names the run. It is given paths
and chooses none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas

from widthwise.analysis.features import run_features
from widthwise.files import written_aside
from widthwise.study.identity import IDENTITY, run_name


class IncompleteTableError(ValueError):
    """Runs are missing, duplicated, unexpected or contradictory."""


def gather_runs(records: Sequence[dict], expected: Sequence[str]) -> pandas.DataFrame:
    """A row for each expected run, in that order, with all that its record says in single values.

    `records` are the contents of run.json, `expected` the runs' names. Raises IncompleteTableError.
    """
    by_name = {run_name(record): record for record in records}
    check_complete([run_name(record) for record in records], expected, "run.json")
    ordered = [by_name[name] for name in expected]
    table = pandas.DataFrame(
        {key: value for key, value in record.items() if not isinstance(value, dict | list)} for record in ordered
    )
    table["classes"] = [len(record["dataset"]["class_counts"]["train"]) for record in ordered]
    return table


def gather_losses(logs: Sequence[pandas.DataFrame], runs: pandas.DataFrame) -> pandas.DataFrame:
    """The rows of all logs, in the order of `runs` and then of steps.

    A run that diverged at step 0 has a log without rows. Raises IncompleteTableError where a log is missing,
    there twice, of several runs, repeats or misorders its steps, or ends short of the run's last step.
    """
    by_name = {}
    for log in logs:
        if log.empty:
            continue
        names = {run_name(row) for row in log[IDENTITY].drop_duplicates().to_dict("records")}
        name = min(names)
        if len(names) > 1:
            raise IncompleteTableError(f"losses.csv of {name}: also holds rows of {max(names)}")
        if name in by_name:
            raise IncompleteTableError(f"losses.csv: duplicate run {name}")
        if not log["step"].is_monotonic_increasing or not log["step"].is_unique:
            raise IncompleteTableError(f"losses.csv of {name}: its steps are not in order, each once")
        by_name[name] = log
    steps = {run_name(run): run["steps"] for run in runs.to_dict("records") if not run["diverged"]}
    diverged = {run_name(run) for run in runs.to_dict("records")} - set(steps)
    check_complete(list(by_name), [*steps, *(diverged & set(by_name))], "losses.csv")
    for name, last in steps.items():
        if by_name[name]["step"].iloc[-1] != last:
            raise IncompleteTableError(
                f"losses.csv of {name}: ends at step {by_name[name]['step'].iloc[-1]}, its run at {last}"
            )
    ordered = [by_name[name] for name in map(run_name, runs.to_dict("records")) if name in by_name]
    return pandas.concat(ordered or list(logs), ignore_index=True)


def gather_starts(
    measured: Sequence[pandas.DataFrame], names: Mapping[str, str], l2: Mapping[str, float]
) -> pandas.DataFrame:
    """Starting losses by circumstance: `measured` under `names[circumstance]`, with the penalty of its lambda."""
    together = pandas.concat(measured, ignore_index=True)
    parts = []
    for circumstance, name in names.items():
        part = together[together["circumstance"] == name].assign(circumstance=circumstance)
        penalty = l2[circumstance] * part.pop("sum_of_squares")
        data_loss = part.pop("data_loss")
        parts.append(part.assign(objective=data_loss + penalty, data_loss=data_loss, penalty=penalty))
    return pandas.concat(parts, ignore_index=True)


def with_features(
    runs: pandas.DataFrame, losses: pandas.DataFrame, *, decay_step: int, end_window: float
) -> pandas.DataFrame:
    """The runs with the features of their loss curves beside them, as `features` defines them."""
    logs = dict(list(losses.groupby(["size", "seed"], sort=False)))
    features = [
        run_features(
            logs.get((run["size"], run["seed"]), losses.iloc[:0]),
            diverged=run["diverged"],
            decay_step=decay_step,
            end_window=end_window,
            classes=run["classes"],
        )
        for run in runs.to_dict("records")
    ]
    return runs.join(pandas.DataFrame(features, index=runs.index))


def check_complete(found: Sequence[str], expected: Sequence[str], what: str) -> None:
    """Raises IncompleteTableError, naming every run that is missing, duplicate or not of the study."""
    duplicates = [name for name, count in Counter(found).items() if count > 1]
    faults = [
        *(f"missing run {name}" for name in expected if name not in set(found)),
        *(f"duplicate run {name}" for name in duplicates),
        *(f"unexpected run {name}" for name in sorted(set(found) - set(expected))),
    ]
    if faults:
        raise IncompleteTableError(f"{what}: {'; '.join(faults)}")


def read_table(source: Path) -> pandas.DataFrame:
    """A table from CSV, every float with the bits it was written with."""
    return pandas.read_csv(source)


def write_table(path: Path, table: pandas.DataFrame) -> None:
    """A table as CSV, whole or not there."""
    with written_aside(path) as aside:
        table.to_csv(aside, index=False)
