"""Puts the circumstances' tables together, in the order given: two tables for the whole study."""

import argparse
from pathlib import Path

import pandas

from widthwise.output import written_aside
from widthwise.program import start_logging
from widthwise.tables import read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", type=Path, nargs="+", required=True, help="the circumstances' losses.csv")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="the circumstances' runs.csv")
    parser.add_argument("--losses-table", type=Path, required=True, help="CSV to write")
    parser.add_argument("--runs-table", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    log = start_logging("gather_study")

    for parts, path in ((arguments.losses, arguments.losses_table), (arguments.runs, arguments.runs_table)):
        table = pandas.concat([read_table(part) for part in parts], ignore_index=True)
        with written_aside(path) as aside:
            table.to_csv(aside, index=False)
        log.info("%s: %d rows", path.name, len(table))


if __name__ == "__main__":
    main()
