"""Prints the verdicts of several studies side by side, in Markdown: what of one survives in another.

A row for each circumstance, measure and feature that the first of them has and some other as well; a column a study,
named after its folder. Verdicts on starting losses and end values are each study's own, by Holm's adjustment over its
circumstances: studies of the same circumstances compare. Example:

  python scripts/tabulate_verdicts.py results/sensitivity/baseline results/sensitivity/easier
"""

import argparse
import sys
from pathlib import Path

import numpy
import pandas

from widthwise.analysis.tables import read_table
from widthwise.report.evidence import number

KEY = ["circumstance", "measure", "feature"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+", help="results folders, each of another name")
    studies = parser.parse_args().studies
    if len({study.name for study in studies}) < len(studies):
        sys.exit("two of the folders have the same name; allowed: each of another")
    for study in studies:
        if not (study / "tables/verdicts.csv").exists():
            sys.exit(f"{study}/tables/verdicts.csv: not here; finish the study first")
    columns = {study.name: verdicts(study / "tables/verdicts.csv") for study in studies}
    first, *_ = columns.values()
    table = pandas.DataFrame(columns).loc[first.index].dropna(thresh=2)
    print(f"| circumstance | measure | feature | {' | '.join(columns)} |")
    print("| --- " * (len(KEY) + len(columns)) + "|")
    for (circumstance, *key), row in table.iterrows():
        cells = [f"`{circumstance}`", *(part.replace("_", " ") for part in key), *row.fillna("-")]
        print(f"| {' | '.join(cells)} |")


def verdicts(path: Path) -> pandas.Series:
    """Each verdict with its slope per doubling, indexed by `KEY`."""
    table = read_table(path).set_index(KEY)
    slopes = table["slope_per_doubling"].map(lambda slope: f" ({number(slope)})" if numpy.isfinite(slope) else "")
    return table["verdict"] + slopes


if __name__ == "__main__":
    main()
