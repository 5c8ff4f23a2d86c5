"""Prints the verdicts of several studies side by side, in Markdown: what of one survives in another.

A row a circumstance, measure and feature that the first of them has; a column a study, named after its folder.
Example, for the sensitivity of the published study:

  python scripts/tabulate_verdicts.py results/reference/narrowed results/sensitivity/*
"""

import argparse
from pathlib import Path

import numpy
import pandas

from widthwise.evidence import number
from widthwise.tables import read_table

KEY = ["circumstance", "measure", "feature"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+", help="results folders; the first decides the rows")
    parser.add_argument("--circumstances", nargs="+", help="only these (default: all that every study has)")
    studies = (arguments := parser.parse_args()).studies
    columns = {study.name: verdicts(study / "tables/verdicts.csv") for study in studies}
    table = pandas.DataFrame(columns).loc[columns[studies[0].name].index]
    rows = table.loc[arguments.circumstances] if arguments.circumstances else table.dropna()
    print(f"| circumstance | measure | feature | {' | '.join(columns)} |")
    print("| --- " * (len(KEY) + len(columns)) + "|")
    for key, row in rows.iterrows():
        cells = [f"`{key[0]}`", *(part.replace("_", " ") for part in key[1:]), *row.fillna("-")]
        print(f"| {' | '.join(cells)} |")


def verdicts(path: Path) -> pandas.Series:
    """Each verdict with its slope per doubling, indexed by `KEY`."""
    table = read_table(path).set_index(KEY)
    slopes = table["slope_per_doubling"].map(lambda slope: f" ({number(slope)})" if numpy.isfinite(slope) else "")
    return table["verdict"] + slopes


if __name__ == "__main__":
    main()
