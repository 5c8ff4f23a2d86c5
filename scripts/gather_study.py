"""Puts tables of parts of the study together, in the order given: one of each kind for the whole study."""

import argparse
from pathlib import Path

import pandas

from widthwise.analysis.tables import read_table, write_table
from widthwise.program import start_logging

TABLES = ("losses", "runs", "sums-of-squares", "coordinates")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[], help=f"the parts' {name}")
        parser.add_argument(f"--{name}-table", type=Path, help="CSV to write them to")
    arguments = parser.parse_args()
    log = start_logging("gather_study")

    for name in TABLES:
        option = name.replace("-", "_")
        parts, path = getattr(arguments, option), getattr(arguments, f"{option}_table")
        if path is None:
            continue
        tables = [read_table(part) for part in parts]
        table = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()
        write_table(path, table)
        log.info("%s: %d rows", path.name, len(table))


if __name__ == "__main__":
    main()
