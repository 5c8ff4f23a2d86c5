"""Gathers one circumstance's runs into three tables, after checking that every run is there, whole, and of this study.

Writes losses.csv (every row of the loss logs), runs.csv (one row for each run, with its features) and printed.csv (the
mean objective of every epoch).
"""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import pandas

from widthwise.analysis.gathering import Expected, IncompleteTableError, differences, gather_circumstance
from widthwise.analysis.tables import read_table, write_table
from widthwise.files import file_digest
from widthwise.program import start_logging
from widthwise.study.identity import run_name
from widthwise.study.plan import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--circumstance", required=True, help="whose runs to gather")
    parser.add_argument("--runs-folder", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--tables", type=Path, required=True, help="folder to write the tables to")
    arguments = parser.parse_args()
    log = start_logging("gather_circumstance")

    study = Study.read(arguments.study)
    runs = list(study.runs(arguments.circumstance))
    folders = [arguments.runs_folder / run.name for run in runs]
    records = {folder: read_record(folder / "run.json") for folder in folders if (folder / "run.json").exists()}
    datasets = dataset_digests(study, arguments.runs_folder.parent / "dataset")
    expected = {
        run.name: Expected(
            study.run_settings(run.circumstance, run.size, run.seed).as_dict(), datasets[study.draw(run.seed)]
        )
        for run in runs
    }
    refuse_other_settings(records, expected)
    logs = [read_log(folder / "losses.csv", record) for folder, record in records.items()]
    tables = gather_circumstance(
        list(records.values()),
        logs,
        list(expected),
        decay_step=study.analysis.decay_step,
        end_window=study.analysis.end_window,
    )
    arguments.tables.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(arguments.tables / f"{name}.csv", table)
    found = tables["runs"]
    log.info("%d runs, %d of them diverged, %d rows", len(found), found["diverged"].sum(), len(tables["losses"]))


def dataset_digests(study: Study, folder: Path) -> dict[str, str]:
    """The digest of each dataset of the study, by its name."""
    return {draw: json.loads((folder / f"{draw}.json").read_text(encoding="utf-8"))["digest"] for draw in study.draws}


def read_record(path: Path) -> dict[str, Any]:
    """A run's record. Raises IncompleteTableError that names the file where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IncompleteTableError(f"{path}: not JSON ({error}); {remedy([path.parent])}") from error


def read_log(path: Path, record: dict[str, Any]) -> pandas.DataFrame:
    """A run's log. Raises IncompleteTableError where it is not the one that the run's record was written with."""
    if not path.exists():
        raise IncompleteTableError(f"{path}: missing; {remedy([path.parent])}")
    if file_digest(path) != record["losses_digest"]:
        raise IncompleteTableError(f"{path}: its content is not what run.json says; {remedy([path.parent])}")
    return read_table(path)


def refuse_other_settings(records: dict[Path, dict[str, Any]], expected: dict[str, Expected]) -> None:
    """Raises IncompleteTableError where runs were made with settings or a dataset that are not the study's."""
    found = {
        folder: differences(record, expected[run_name(record)])
        for folder, record in records.items()
        if run_name(record) in expected
    }
    differing = [folder for folder, text in found.items() if text]
    if differing:
        named = "; ".join(f"{run_name(records[folder])}: {found[folder]}" for folder in differing)
        raise IncompleteTableError(f"runs made with other settings: {named}; {remedy(differing)}")


def remedy(folders: list[Path]) -> str:
    """The command after which snakemake makes these runs again."""
    runs = "it" if len(folders) == 1 else "them"
    return f"to make {runs} again: rm -r {shlex.join(map(str, folders))}, then run snakemake as before"


if __name__ == "__main__":
    main()
