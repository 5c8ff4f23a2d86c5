"""Puts the tables of a study's parts together.

From the circumstances' folders it writes losses.csv, runs.csv and printed.csv; from the starting losses of each network
starts.csv, with one copy for every circumstance that starts with these networks; from the networks' first steps
coordinates.csv, and coordinate_powers.csv, which says how they go with width; from embedded networks nesting.csv. It
writes those that it has parts for.
"""

import argparse
import sys
from pathlib import Path

import pandas

from widthwise.analysis.comparisons import coordinate_powers
from widthwise.analysis.gathering import check_complete, gather_starts
from widthwise.analysis.tables import make_table, read_table, write_table
from widthwise.program import start_logging
from widthwise.study.identity import run_name
from widthwise.study.plan import Study

TABLES = ("losses", "runs", "printed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--tables", type=Path, required=True, help="folder to write the tables to")
    parser.add_argument("--circumstances", type=Path, nargs="*", default=[], help="folders of circumstances' tables")
    parser.add_argument("--starts", type=Path, nargs="*", default=[], help="starting losses, one file per network")
    parser.add_argument("--coordinates", type=Path, nargs="*", default=[], help="first steps, one file per network")
    parser.add_argument("--nesting", type=Path, nargs="*", default=[], help="embedded networks, one file per seed")
    arguments = parser.parse_args()
    log = start_logging("gather_study")

    study = Study.read(arguments.study)
    tables: dict[str, pandas.DataFrame] = {}
    if arguments.circumstances:
        for name in TABLES:
            tables[name] = concatenated([folder / f"{name}.csv" for folder in arguments.circumstances], name)
        found = map(run_name, tables["runs"].to_dict("records"))
        check_complete(found, [run.name for run in study.runs()], "runs.csv")
    if arguments.starts:
        tables["starts"] = gather_starts(
            [read_table(path, "starts") for path in arguments.starts],
            study.starts,
            {name: study.sizes(name) for name in study.starts},
            {name: study.circumstances[name].training.reported_l2 for name in study.starts},
            study.analysis.initialisations,
        )
    if arguments.coordinates:
        table = concatenated(arguments.coordinates, "coordinates")
        found = table[["circumstance", "size"]].drop_duplicates()
        names = [f"{name}/{size}" for name in study.coordinate_checks for size in study.sizes(name)]
        check_complete(found["circumstance"] + "/" + found["size"], names, "coordinates.csv")
        tables |= {"coordinates": table, "coordinate_powers": coordinate_powers(table)}
    if arguments.nesting:
        names = [f"{name}/seed{seed}" for name in study.nested for seed in study.seeds]
        check_complete((f"{path.parent.name}/{path.stem}" for path in arguments.nesting), names, "nesting.csv")
        tables["nesting"] = concatenated(arguments.nesting, "nesting")  # diverged runs have no rows
    if not tables:
        sys.exit("nothing to gather: analysis.coordinate_check.circumstances names no circumstance")
    for name, table in tables.items():
        write_table(arguments.tables / f"{name}.csv", table)
        log.info("%s: %d rows", name, len(table))


def concatenated(paths: list[Path], name: str) -> pandas.DataFrame:
    """The rows of all files, in the order given, as one table of this name."""
    return make_table(name, pandas.concat([read_table(path, name) for path in paths], ignore_index=True))


if __name__ == "__main__":
    main()
