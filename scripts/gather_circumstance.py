"""Gathers one circumstance's runs into two tables, after checking that every expected run is there once and whole.

The table of runs has each run's features beside what its record says.
"""

import argparse
import json
from pathlib import Path

import pandas

from widthwise.analysis.tables import gather_losses, gather_runs, read_table, with_features, write_table
from widthwise.files import file_digest
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", type=Path, nargs="+", required=True, help="the runs' losses.csv")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="the runs' run.json")
    parser.add_argument("--expected", nargs="+", required=True, help="names, as as_posted/width8/seed1")
    parser.add_argument("--decay-step", type=int, required=True, help="step by which the initial decay is taken")
    parser.add_argument("--end-window", type=float, required=True, help="share of the steps that the end value is of")
    parser.add_argument("--losses-table", type=Path, required=True, help="CSV to write: every logged step")
    parser.add_argument("--runs-table", type=Path, required=True, help="CSV to write: a row a run")
    arguments = parser.parse_args()
    log = start_logging("gather_circumstance")

    records = [read_record(path) for path in arguments.runs]
    logs = [read_log(*pair) for pair in zip(arguments.losses, records, strict=True)]
    runs = gather_runs(records, arguments.expected)
    losses = gather_losses(logs, runs)
    runs = with_features(runs, losses, decay_step=arguments.decay_step, end_window=arguments.end_window)
    for table, path in ((losses, arguments.losses_table), (runs, arguments.runs_table)):
        write_table(path, table)
    log.info("%d runs, %d of them diverged, %d rows", len(runs), runs["diverged"].sum(), len(losses))


def read_record(path: Path) -> dict:
    """A run's record. Raises ValueError that names the file where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a run's record ({error}); remove it to have it written again") from error


def read_log(path: Path, record: dict) -> pandas.DataFrame:
    """A run's log. Raises ValueError that names the file where it is not the one that its record speaks of."""
    if file_digest(path) != record["losses_digest"]:
        raise ValueError(
            f"{path}: its content is not what the run.json beside it says; remove it to have it written again"
        )
    return read_table(path)


if __name__ == "__main__":
    main()
