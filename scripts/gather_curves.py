"""Puts loss curves that exist already into the study's tables: losses.csv and runs.csv, with the features of each run.

Reads the CSV file that the study names. The tables have those of their columns that the file tells.
"""

import argparse
import sys
from pathlib import Path

from widthwise.analysis.given_curves import tables_of_curves
from widthwise.analysis.tables import write_table
from widthwise.program import start_logging
from widthwise.study.curves import read_study
from widthwise.study.curves_file import CurvesFile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json of a study of curves")
    parser.add_argument("--tables", type=Path, required=True, help="folder to write the tables to")
    arguments = parser.parse_args()
    log = start_logging("gather_curves")

    study = read_study(arguments.study)
    file = CurvesFile.read(study.curves)
    if file.digest != study.found.digest:
        sys.exit(f"{study.curves}: changed since it was checked; call snakemake again")
    for name, table in tables_of_curves(file, study.analysis, study.classes).items():
        write_table(arguments.tables / f"{name}.csv", table)
        log.info("%s: %d rows", name, len(table))
    for sentence in study.limitations:
        log.info("%s", sentence)


if __name__ == "__main__":
    main()
