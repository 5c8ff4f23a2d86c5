"""Compares the verdicts of studies: one with the published ones, or several side by side.

Two verdicts agree where they are the same, or where the intervals of `change` overlap.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import pandas

from widthwise.analysis.tables import read_table
from widthwise.report.wording import NO_VALUE, change_with_interval, counted, markdown_table, measured, setting_label
from widthwise.study.catalogue import flatten

KEY = ["circumstance", "measure", "feature"]
COMPARED = ["verdict", "change", "ci_low", "ci_high", "seeds", "sizes"]
# Keys of a configuration that are compared for the circumstances that both studies run, or not at all.
APART = ("pathvars", "device", "study", "circumstances", "claims")
DECIDING = ("overrides", "learning_rates", "depths", "width")


class ComparisonError(ValueError):
    """Studies that cannot be compared; its text is one line."""


def compare_with_published(results: Path, reference: Path) -> Iterator[str]:
    """Yields lines that compare the study in `results` with every published study.

    Raises ComparisonError where there is nothing to compare.
    """
    verdicts, settings = read_verdicts(results), read_settings(results)
    compared = 0
    for folder in sorted(path.parent for path in reference.glob("*/study.json")):
        both = agreement(verdicts, read_verdicts(folder))
        if both.empty:
            continue
        compared += 1
        yield f"\nCompared with {folder.name}:"
        yield from setting_differences(settings, read_settings(folder))
        yield from agreement_lines(both)
    if not compared:
        raise ComparisonError(f"{reference}: no published study has a verdict in common with {results}")


def agreement(ours: pandas.DataFrame, theirs: pandas.DataFrame) -> pandas.DataFrame:
    """One row for each verdict that both studies have, with `agreement`.

    It is "same verdict", "intervals overlap", "undecided" (one of them is, and an interval has no bounds) or "differs".
    An interval without bounds, as of what diverged, says nothing: it overlaps with none.
    """
    both = ours[[*KEY, *COMPARED]].merge(theirs[[*KEY, *COMPARED]], on=KEY, suffixes=("", "_published"))
    same = both["verdict"] == both["verdict_published"]
    overlap = (both["ci_low"] <= both["ci_high_published"]) & (both["ci_low_published"] <= both["ci_high"])
    undecided = both[["verdict", "verdict_published"]].eq("undecided").any(axis="columns")
    bounds = [both[[f"ci_low{suffix}", f"ci_high{suffix}"]] for suffix in ("", "_published")]
    unbounded = numpy.any([numpy.isinf(of_study).all(axis="columns") for of_study in bounds], axis=0)
    both["agreement"] = numpy.select(
        [same, overlap & ~unbounded, undecided & unbounded],
        ["same verdict", "intervals overlap", "undecided"],
        "differs",
    )
    return both


def agreement_lines(both: pandas.DataFrame) -> Iterator[str]:
    """Yields a table of the verdicts that are not the same, and a count of all."""
    differing = both[both["agreement"] != "same verdict"].to_dict("records")
    if differing:
        yield markdown_table(
            key_cells(row)
            | {"here": verdict_cell(row), "published": verdict_cell(row, "_published"), "agreement": row["agreement"]}
            for row in differing
        )
    counts = both["agreement"].value_counts()
    yield f"{counted(len(both), 'verdict')}: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def setting_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """One line for each setting in which two configurations differ; of circumstances, those that both run."""
    if ours.get("curves") or theirs.get("curves"):
        return ["Settings are not compared: a study of loss curves does not tell them."]
    both = [name for name in ours["study"] if name in theirs["study"]]
    here, published = (deciding_settings(config, both) for config in (ours, theirs))
    return [
        f"{key}: {setting_label(here.get(key))} here, {setting_label(published.get(key))} published"
        for key in sorted(here.keys() | published.keys())
        if here.get(key) != published.get(key)
    ]


def deciding_settings(config: Mapping[str, Any], circumstances: Iterable[str]) -> dict[str, Any]:
    """The settings of a configuration that decide the runs of these circumstances, by dotted key."""
    shared = {key: value for key, value in config.items() if key not in APART}
    entries = {name: config["circumstances"][name] for name in circumstances}
    own = {name: {key: entry[key] for key in DECIDING if key in entry} for name, entry in entries.items()}
    return flatten(shared | {"circumstances": own})


def side_by_side(folders: list[Path]) -> str:
    """A Markdown table of the verdicts of several studies: those of the first that another one has as well.

    Raises ComparisonError for a study without verdicts, or two folders of one name.
    """
    if len({folder.name for folder in folders}) < len(folders):
        raise ComparisonError("folder names must be unique: they head the columns")
    tables = {folder.name: read_verdicts(folder) for folder in folders}
    columns = [table.set_index(KEY).apply(verdict_cell, axis="columns").rename(name) for name, table in tables.items()]
    both = pandas.concat(columns, axis="columns").loc[columns[0].index].dropna(thresh=2).fillna(NO_VALUE).reset_index()
    return markdown_table(key_cells(row) | {name: row[name] for name in tables} for row in both.to_dict("records"))


def key_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The cells that name a verdict."""
    return {"circumstance": f"`{row['circumstance']}`", "loss, feature": measured(row["measure"], row["feature"])}


def verdict_cell(row: Mapping[str, Any], suffix: str = "") -> str:
    """A verdict with its change and interval."""
    verdict, *values = (row[f"{column}{suffix}"] for column in ("verdict", "change", "ci_low", "ci_high"))
    return f"{verdict} ({change_with_interval(*values)})" if numpy.isfinite(values[0]) else verdict


def read_verdicts(folder: Path) -> pandas.DataFrame:
    """The verdicts of a study. Raises ComparisonError where they are missing."""
    path = folder / "tables/verdicts.csv"
    if not path.exists():
        raise ComparisonError(f"{path}: not found; finish the study first")
    return read_table(path)


def read_settings(folder: Path) -> dict[str, Any]:
    """A study's configuration."""
    path = folder / "study.json"
    if not path.exists():
        raise ComparisonError(f"{path}: not found; finish the study first")
    return json.loads(path.read_text(encoding="utf-8"))
