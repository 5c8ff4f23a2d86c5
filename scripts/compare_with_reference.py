"""Sets a study's verdicts beside those of each published study: does it come to the same?

A verdict agrees where it is the same, or where the intervals of the slope per doubling overlap: then neither
contradicts the other. Where there is no slope, an undecided one contradicts nothing. Says of each published study in
which settings the two differ; what they do not have in common is left out.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy
import pandas

from widthwise.analysis.tables import read_table, write_table

KEY = ["circumstance", "measure", "feature"]
SHOWN = ["verdict", "slope_per_doubling", "ci_low", "ci_high", "seeds", "widths"]
APART = ("pathvars", "device", "study", "circumstances")
DECIDING = ("overrides", "learning_rates", "depths", "width")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=Path, required=True, help="this study's tables/verdicts.csv")
    parser.add_argument("--settings", type=json.loads, required=True, help="this study's configuration, as JSON")
    parser.add_argument("--reference", type=Path, required=True, help="folder with a folder for each published study")
    parser.add_argument("--comparison", type=Path, required=True, help="CSV file to write: a row a verdict")
    arguments = parser.parse_args()

    verdicts, tables = read_table(arguments.verdicts), []
    for published in sorted(path.parent for path in arguments.reference.glob("*/study.json")):
        table = compared(verdicts, read_table(published / "tables/verdicts.csv"))
        if table.empty:
            continue
        tables.append(table.assign(published=published.name))
        print(f"\nBeside {published.name}:")
        for line in differences(arguments.settings, json.loads((published / "study.json").read_text("utf-8"))):
            print(line)
        print(table[[*KEY, "verdict", "verdict_published", "agreement"]].to_string(index=False))
        print(", ".join(f"{count} {agreement}" for agreement, count in table["agreement"].value_counts().items()))
    if not tables:
        sys.exit(f"{arguments.reference}: no published study has a verdict in common with {arguments.verdicts}")
    write_table(arguments.comparison, pandas.concat(tables))


def differences(settings: dict, published: dict) -> list[str]:
    """A line for each setting in which two configurations differ, apart from what they run and where; of the
    circumstances that both run, too."""
    both = set(settings["study"]) & set(published["study"])
    ours, theirs = (
        pandas.json_normalize(
            {key: value for key, value in config.items() if key not in APART}
            | {name: {key: config["circumstances"][name].get(key) for key in DECIDING} for name in both}
        )
        .loc[0]
        .to_dict()
        for config in (settings, published)
    )
    return [
        f"{key}: {ours.get(key)} here, {theirs.get(key)} published"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def compared(ours: pandas.DataFrame, published: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each verdict that both studies have: the same verdict, intervals overlap, undecided, or differs."""
    both = ours[[*KEY, *SHOWN]].merge(published[[*KEY, *SHOWN]], on=KEY, suffixes=("", "_published"))
    overlap = (both["ci_low"] <= both["ci_high_published"]) & (both["ci_low_published"] <= both["ci_high"])
    same = both["verdict"] == both["verdict_published"]
    undecided = both[["verdict", "verdict_published"]].eq("undecided").any(axis="columns")
    no_slope = both[["ci_low", "ci_low_published"]].isna().any(axis="columns")
    both["agreement"] = numpy.select(
        [same, overlap, undecided & no_slope], ["same verdict", "intervals overlap", "undecided"], "differs"
    )
    return both


if __name__ == "__main__":
    main()
