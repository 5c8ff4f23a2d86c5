"""The study's tables: their columns, the columns' types, and how they are read and written.

A file is known by its name: `runs.csv` has the columns of `runs`. Booleans are real booleans when read, missing where
the file has nothing; floats have the bits with which they were written.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas

from widthwise.analysis.features import ROW_MEASURES
from widthwise.files import atomic_write
from widthwise.study.identity import IDENTITY, NETWORK_IDENTITY
from widthwise.study.requirements import FEATURES

TEXT, WHOLE, REAL, FLAG = "str", "int64", "float64", "boolean"

_IDENTITY_TYPES = dict(zip(IDENTITY, (TEXT, TEXT, WHOLE, WHOLE, WHOLE, WHOLE), strict=True))
_NETWORK_TYPES = {column: _IDENTITY_TYPES[column] for column in NETWORK_IDENTITY}
_INTERVAL = {"ci_low": REAL, "ci_high": REAL}
_CHANGE = {"verdict": TEXT, "change": REAL, **_INTERVAL}
_TEST = {**_CHANGE, "slope_per_doubling": REAL, "level": REAL, "p_value": REAL}
_COUNTS = {"seeds": WHOLE, "sizes": WHOLE, "diverged": WHOLE}
_EXPECTED = {"expected": TEXT, "agrees": FLAG}

RUN_FACTS = {
    "learning_rate": REAL,
    "batch_size": WHOLE,
    "diverged": FLAG,
    "steps": WHOLE,
    "planned_steps": WHOLE,
    "steps_per_epoch": WHOLE,
    "sittings": WHOLE,
    "seconds": REAL,
    "samples_per_second": REAL,
    "flops_per_step": REAL,
    "test_data_loss": REAL,
    "test_accuracy": REAL,
    "median_root_second_moment": REAL,
    "share_below_epsilon": REAL,
    "device": TEXT,
    "threads": WHOLE,
    "losses_digest": TEXT,
    "classes": WHOLE,
}

TABLES: dict[str, dict[str, str]] = {
    "losses": {
        **_IDENTITY_TYPES,
        "step": WHOLE,
        "epoch": REAL,
        "objective": REAL,
        "data_loss": REAL,
        "penalty": REAL,
        "accuracy": REAL,
        "sum_of_squares": REAL,
    },
    "runs": {
        **_IDENTITY_TYPES,
        **RUN_FACTS,
        **{f"{measure}_{feature}": REAL for measure, features in FEATURES.items() for feature in features},
        **{f"{measure}_drift": REAL for measure in (*ROW_MEASURES, "penalty")},
    },
    "printed": {**_IDENTITY_TYPES, "epoch": WHOLE, "step": WHOLE, "printed": REAL},
    "starts": {
        **_NETWORK_TYPES,
        "backbone": WHOLE,
        "head": WHOLE,
        "objective": REAL,
        "data_loss": REAL,
        "penalty": REAL,
    },
    "coordinates": {**_IDENTITY_TYPES, "step": WHOLE, "layer": TEXT, "rms_change": REAL},
    "verdicts": {
        "circumstance": TEXT,
        "measure": TEXT,
        "feature": TEXT,
        **_TEST,
        "p_catalogue": REAL,
        **_COUNTS,
        **_EXPECTED,
        "slight": FLAG,
    },
    "features": {
        "circumstance": TEXT,
        "measure": TEXT,
        "feature": TEXT,
        "size": TEXT,
        "parameters": WHOLE,
        "mean": REAL,
        **_INTERVAL,
        "seeds": WHOLE,
        "diverged": WHOLE,
        "at_horizon": WHOLE,
        "plateau": TEXT,
    },
    "contrasts": {
        "circumstance": TEXT,
        "reference": TEXT,
        "measure": TEXT,
        "feature": TEXT,
        **_TEST,
        **_COUNTS,
        **_EXPECTED,
        "slight": FLAG,
        "at_largest": REAL,
        "at_largest_low": REAL,
        "at_largest_high": REAL,
    },
    "crossings": {
        "circumstance": TEXT,
        "measure": TEXT,
        "pair": TEXT,
        "smaller": WHOLE,
        "larger": WHOLE,
        "seeds": WHOLE,
        "crossed": WHOLE,
        "always_below": WHOLE,
        "median_crossing": REAL,
    },
    "slopes_by_step": {
        "circumstance": TEXT,
        "measure": TEXT,
        "step": WHOLE,
        **_CHANGE,
        "slope_per_doubling": REAL,
        "seeds": WHOLE,
    },
    "nesting": {
        "circumstance": TEXT,
        "seed": WHOLE,
        "smaller": TEXT,
        "larger": TEXT,
        "smaller_parameters": WHOLE,
        "larger_parameters": WHOLE,
        **{
            f"{network}_{loss}": REAL
            for network in ("smaller", "embedded", "larger")
            for loss in ("data_loss", "penalty", "objective")
        },
    },
    "penalties": {
        "circumstance": TEXT,
        "size": TEXT,
        "parameters": WHOLE,
        "start": REAL,
        "end": REAL,
        **_INTERVAL,
        "seeds": WHOLE,
        "level": WHOLE,
    },
    "penalty_ratios": {
        "circumstance": TEXT,
        "reference": TEXT,
        "ratio": REAL,
        **_INTERVAL,
        "power": REAL,
        "seeds": WHOLE,
        "expected_low": REAL,
        "expected_high": REAL,
        "agrees": TEXT,
    },
    "coordinate_powers": {
        "circumstance": TEXT,
        "layer": TEXT,
        "step": WHOLE,
        "power": REAL,
        **_INTERVAL,
        "seeds": WHOLE,
    },
    "learning_rates": {
        "grid": TEXT,
        "width": WHOLE,
        "parameters": WHOLE,
        "log2_rate": REAL,
        **_INTERVAL,
        "lowest_loss": REAL,
        "optimum": TEXT,
        "log2_highest_stable": REAL,
        "all_stable": FLAG,
        "diverged": WHOLE,
    },
    "learning_rate_slopes": {
        "grid": TEXT,
        "quantity": TEXT,
        "slope": REAL,
        **_INTERVAL,
        "seeds": WHOLE,
        "censored": WHOLE,
        "verdict": TEXT,
        "expected": TEXT,
        "agrees": TEXT,
    },
    "learning_rate_choices": {
        "grid": TEXT,
        "width": WHOLE,
        "parameters": WHOLE,
        "seed": WHOLE,
        "learning_rate": REAL,
        "at_edge": FLAG,
        "end_value": REAL,
        "diverged": FLAG,
    },
    "learning_rate_verdicts": {
        "grid": TEXT,
        "learning_rate": REAL,
        **_CHANGE,
        "at_or_below_best": FLAG,
        "base_width": WHOLE,
        "seeds": WHOLE,
        "diverged": WHOLE,
        "at_edge": WHOLE,
        "slight": FLAG,
        "expected": TEXT,
        "agrees": TEXT,
    },
    "learning_rate_budgets": {
        "grid": TEXT,
        "learning_rate": REAL,
        "steps": WHOLE,
        **_CHANGE,
        "diverged": WHOLE,
        "seeds": WHOLE,
        "slight": FLAG,
    },
    "literature": {
        "claim": TEXT,
        "source": TEXT,
        "theirs": TEXT,
        "ours": TEXT,
        "agrees": TEXT,
        "shown_by": TEXT,
    },
}


def make_table(
    name: str, rows: pandas.DataFrame | Iterable[Mapping[str, Any]], known: Collection[str] | None = None
) -> pandas.DataFrame:
    """A table from its rows, with its columns in order, each of its type: all of them, or those that are `known`."""
    columns = {column: kind for column, kind in TABLES[name].items() if known is None or column in known}
    rows = rows if isinstance(rows, pandas.DataFrame) else list(rows)
    return pandas.DataFrame(rows, columns=list(columns)).astype(columns)


def rows_with(table: pandas.DataFrame, **values: object) -> pandas.DataFrame:
    """The rows of a table that have these values in these columns; none of an empty table."""
    for column, value in values.items():
        if not table.empty:
            table = table[table[column] == value]
    return table


def classes_of(runs: pandas.DataFrame) -> int | None:
    """The number of classes, which all runs share; None where runs.csv does not tell it."""
    return int(runs["classes"].iloc[0]) if "classes" in runs else None


def read_table(source: Path, name: str | None = None) -> pandas.DataFrame:
    """Reads a table from CSV, with the types declared for `name`, or for the file's name if that is not given.

    The types of other columns are inferred. Only an empty cell is missing: a name may be "None" or "NA".
    """
    types = TABLES.get(name or Path(source).stem, {})
    return pandas.read_csv(source, dtype=types, keep_default_na=False, na_values=[""])


def write_table(path: Path, table: pandas.DataFrame) -> None:
    """Writes a table as CSV, whole or not at all."""
    with atomic_write(path) as aside:
        table.to_csv(aside, index=False)
