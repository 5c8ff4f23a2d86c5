"""A small study, and tables in the format that the analysis writes, for tests of what is reported."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pandas
import yaml

from widthwise.analysis.penalties import end_penalties, penalty_ratios
from widthwise.analysis.penalties import penalties as penalty_table
from widthwise.analysis.tables import TABLES, make_table
from widthwise.analysis.verdicts import LEVELS, level_of
from widthwise.report.evidence import Evidence
from widthwise.study.plan import SCHEMA, Run, Study
from widthwise.study.requirements import FEATURES

CONFIG = SCHEMA.parent
ROOT = CONFIG.parent
SCHEMA_KEYS = yaml.safe_load(SCHEMA.read_text())
DEFAULTS = yaml.safe_load((CONFIG / "circumstances.yaml").read_text()) | yaml.safe_load(
    (CONFIG / "config.yaml").read_text()
)
SIZES = {"width2": 15_708, "width8": 248_154, "width26": 2_613_444}
SEEDS = [0, 1, 2, 3, 4]
DATASET = {"class_counts": {"train": [384, 384], "test": [64, 64]}, "shape": [1, 25, 25, 25]}
MARGIN = 0.05
PENALTIES = (0.02, 0.04, 0.08)
SMALLEST = {"steps_to_midway": 6.0}  # features of the smallest size that are not 0.7: the logarithm of 64 steps
REPORTED_START, REPORTED_END = ("objective", "starting_loss"), ("objective", "end_value")
DATA_START, DATA_END = ("data_loss", "starting_loss"), ("data_loss", "end_value")
MIDWAY = ("data_loss", "steps_to_midway")
DECAYS = {("objective", "initial_decay"): 0.3, ("data_loss", "initial_decay"): 0.3}
# As the catalogue expects of baseline and no_l2: only the penalty starts higher, and the data loss ends lower.
BETTER = {**DECAYS, DATA_END: -0.4, MIDWAY: -1.0}
AS_EXPECTED = {
    "baseline": {**BETTER, REPORTED_START: 0.1, REPORTED_END: -0.3},
    "no_l2": {**BETTER, REPORTED_END: -0.4},
}


def example_study(**settings) -> Study:
    """The default study with three widths, five seeds, and these settings at the top level."""
    few = {"widths": [2, 8, 26], "seeds": SEEDS, "study": ["baseline", "no_l2"]}
    config = DEFAULTS | few | {"analysis": {"coordinate_check": {"circumstances": []}}} | settings
    return Study(config, SCHEMA_KEYS)


def example_evidence(
    study: Study,
    changes: Mapping[str, Mapping[tuple[str, str], float]],
    *,
    verdicts: Mapping[tuple[str, str, str], str] | None = None,
    settled: bool = True,
    crossed: int = 0,
    penalties: Mapping[str, Sequence[float]] | None = None,
    **tables,
) -> Evidence:
    """Tables in which a feature changes with size by `changes`, from 0.7 or `SMALLEST`; others do not change.

    Args:
        study: the study.
        changes: circumstance -> (measure, feature) -> change from the smallest to the largest size.
        verdicts: verdicts in place of those that the changes give.
        settled: whether every size has settled; else all are still moving.
        crossed: in how many seeds the largest crosses below the smallest.
        penalties: the penalty at the end of each size, in place of `PENALTIES`; at the start it is half of that.
        tables: tables in place of these.
    """
    rows = {name: [] for name in TABLES}
    for name in study.judged:
        for measure, feature in ((measure, feature) for measure, features in FEATURES.items() for feature in features):
            change = changes.get(name, {}).get((measure, feature), 0.0)
            verdict = (verdicts or {}).get((name, measure, feature), verdict_of(change))
            circumstance = study.circumstances[name]
            expected = circumstance.expectation.get(measure, {}).get(feature)
            rows["verdicts"].append(judged_row(name, measure, feature, verdict, change, expected))
            rows["features"] += feature_rows(name, measure, feature, change, settled)
            if name in study.references:
                reference = study.references[name]
                difference = change - changes.get(reference, {}).get((measure, feature), 0.0)
                expected = circumstance.expected_contrast.get(measure, {}).get(feature)
                row = judged_row(name, measure, feature, verdict_of(difference), difference, expected)
                row |= {"reference": reference, "at_largest": difference}
                rows["contrasts"].append(row | {"at_largest_low": difference, "at_largest_high": difference})
        for measure in FEATURES:
            rows["crossings"].append(crossing_row(name, measure, crossed))
            rows["slopes_by_step"] += [
                {"circumstance": name, "measure": measure, "step": step, "verdict": verdict, "seeds": 5}
                for step, verdict in ((0, "rises"), (1, "rises"), (8, "flat"), (16, "falls"))
            ]
    for name in [*study.judged, *itertools.chain(*study.grids.values())]:
        rows["runs"] += [run_row(name, size, seed, settled) for size, seed in itertools.product(SIZES, study.seeds)]
    made = {
        name: make_table(name, rows[name])
        for name in ("verdicts", "features", "contrasts", "crossings", "slopes_by_step", "literature", "nesting")
    }
    made["runs"] = make_table("runs", fill(rows["runs"], "runs"))
    if study.penalised:
        made |= penalty_tables(study, penalties or {}, settled)
    return Evidence(study, DATASET, made | tables)


def penalty_tables(study: Study, penalties: Mapping[str, Sequence[float]], settled: bool) -> dict:
    """The tables of penalties and ratios, as the analysis makes them of runs that scatter by 1% from seed to seed."""
    scatter = 0.01 * (numpy.arange(len(study.seeds)) - (len(study.seeds) - 1) / 2)
    rows = [
        {"circumstance": name, "size": size, "parameters": parameters, "seed": seed, "diverged": False}
        | {"data_loss_starting_loss": 0.0, "data_loss_end_value": 0.0, "penalty_drift": 0.0 if settled else -0.1}
        | {"objective_starting_loss": end / 2, "objective_end_value": end * numpy.exp((1 + rank + order / 10) * noise)}
        for order, name in enumerate(study.penalised)
        for rank, (size, parameters) in enumerate(SIZES.items())
        for end in [penalties.get(name, PENALTIES)[rank]]
        for seed, noise in zip(study.seeds, scatter, strict=True)
    ]
    runs = pandas.DataFrame(rows)
    found = end_penalties(runs, study.penalised)
    ratios = penalty_ratios(runs, found, study.references, study.expected_penalty_ratios)
    return {"penalties": penalty_table(runs, found), "penalty_ratios": ratios}


def with_tables(evidence: Evidence, **tables: pandas.DataFrame) -> Evidence:
    """The evidence with these tables in place of its own."""
    return replace(evidence, tables=evidence.tables | tables)


def with_values(evidence: Evidence, table: str, where: str, **values: object) -> Evidence:
    """The evidence with other values in the rows of a table for which the query `where` holds."""
    rows = evidence.tables[table].copy()
    matching = rows.eval(where)
    for column, value in values.items():
        rows.loc[matching, column] = value
    return with_tables(evidence, **{table: rows})


def section(answer: str, title: str) -> str:
    """The text below a heading."""
    return answer.split(f"## {title}\n")[1].split("\n## ")[0].strip()


def verdict_of(change: float) -> str:
    return "rises" if change > MARGIN else "falls" if change < -MARGIN else "flat"


def judged_row(name, measure, feature, verdict, change, expected) -> dict:
    return {
        "circumstance": name,
        "measure": measure,
        "feature": feature,
        "verdict": verdict,
        "change": change,
        "ci_low": change - 0.01,
        "ci_high": change + 0.01,
        "slope_per_doubling": change / 7.4,
        "level": level_of(measure, feature, LEVELS),
        "p_value": 0.0004,
        "p_catalogue": 0.004 if feature in ("starting_loss", "end_value") and measure != "printed" else None,
        "seeds": 10 if feature == "starting_loss" and measure != "printed" else 5,
        "sizes": len(SIZES),
        "diverged": 0,
        "expected": expected,
        "agrees": None if expected is None else expected == verdict,
        "slight": False,
    }


def feature_rows(name, measure, feature, change, settled) -> list[dict]:
    smallest = SMALLEST.get(feature, 0.7)
    return [
        {
            "circumstance": name,
            "measure": measure,
            "feature": feature,
            "size": size,
            "parameters": parameters,
            "mean": smallest + change * rank / 2,
            "ci_low": smallest - 0.01 + change * rank / 2,
            "ci_high": smallest + 0.01 + change * rank / 2,
            "seeds": 5,
            "diverged": 0,
            "at_horizon": 0,
            "plateau": ("settled" if settled else "moving") if feature == "end_value" else None,
        }
        for rank, (size, parameters) in enumerate(SIZES.items())
    ]


def crossing_row(name, measure, crossed) -> dict:
    return {
        "circumstance": name,
        "measure": measure,
        "pair": "extremes",
        "smaller": min(SIZES.values()),
        "larger": max(SIZES.values()),
        "seeds": 5,
        "crossed": crossed,
        "always_below": 0,
        "median_crossing": 96.0 if crossed > 2 else float("inf"),
    }


def run_row(name, size, seed, settled) -> dict:
    row = {"circumstance": name, "size": size, "parameters": SIZES[size], "seed": seed, "width": int(size[5:])}
    return row | {
        "depth": 20,
        "diverged": False,
        "steps": 288,
        "planned_steps": 288,
        "flops_per_step": 1e3 * SIZES[size],
        "classes": 2,
        "objective_drift": 0.0 if settled else -0.1,
        "data_loss_drift": 0.0 if settled else -0.1,
    }


def fill(rows: list[dict], table: str) -> list[dict]:
    """The rows with a value in every column: zero, or nothing."""
    empty = {"str": "", "int64": 0, "float64": 0.0, "boolean": False}
    return [{column: row.get(column, empty[kind]) for column, kind in TABLES[table].items()} for row in rows]


def write_tables(evidence: Evidence, folder: Path) -> None:
    """Writes the tables as the workflow does."""
    folder.mkdir(parents=True)
    for name, table in evidence.tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def write_results(study: Study, evidence: Evidence, results: Path) -> None:
    """Writes what a finished study leaves in its results folder, as far as it is published or looked at."""
    write_tables(evidence, results / "tables")
    (results / "study.json").write_text(study.record)
    for name in ("answer.md", "evidence.md", "dataset/seed0.json", "figures/loss_curves.svg", "figures/speed.svg"):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).write_text(f"{name}\n")
    (results / "tables/losses.csv").write_text("step,objective\n" + "0,0.7\n" * 1000)
    for run in study.runs():
        write_record(study, run, results)


def write_record(study: Study, run: Run, results: Path, **values) -> None:
    """Writes the run.json of a finished run."""
    folder = results / "runs" / run.name
    folder.mkdir(parents=True, exist_ok=True)
    settings = study.run_settings(run.circumstance, run.size, run.seed).as_dict()
    record = {"settings": settings, "diverged": False, "versions": {"python": "3.11.2", "torch": "2.13.0"}}
    (folder / "run.json").write_text(json.dumps(record | values))


def row_of(answer: str, section_title: str, title: str) -> list[str]:
    """The cells of a circumstance in the table of a section."""
    (row,) = re.findall(rf"^\| {re.escape(title)} \| (.*) \|$", section(answer, section_title), re.MULTILINE)
    return row.split(" | ")
