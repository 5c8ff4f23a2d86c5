"""What the study's tables say, row by row and in words: the ground of every sentence of the answer.

A statement carries its number, interval, p, number of seeds and figure. It must not know the question, or files.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy
import pandas

from widthwise.report.wording import certainty, size_label

UNITS = {"steps_to_midway": "doublings of time"}
FIGURE_OF = {
    "starting_loss": "features",
    "initial_decay": "features",
    "steps_to_midway": "verdicts",
    "end_value": "features",
}
NAMES = {
    "starting_loss": "starting loss",
    "initial_decay": "initial decay",
    "steps_to_midway": "steps to midway",
    "end_value": "end value",
}


@dataclass(frozen=True)
class Evidence:
    """The study's tables, and what its catalogue says of each judged circumstance.

    `learning_rates` are the tables of slopes and of verdicts, or nothing in a study without grids; `dataset` is what
    dataset.json says of the data; `departures` are the posted settings that the study changed, each as posted and as
    it is here.
    """

    verdicts: pandas.DataFrame
    features: pandas.DataFrame
    contrasts: pandas.DataFrame
    crossovers: pandas.DataFrame
    runs: pandas.DataFrame
    slopes_by_step: pandas.DataFrame
    time_lapse: pandas.DataFrame
    literature: pandas.DataFrame
    learning_rates: Sequence[pandas.DataFrame]
    catalogue: Mapping[str, Mapping[str, Any]]
    dataset: Mapping[str, Any]
    departures: Mapping[str, Sequence[Any]]

    @property
    def guessing(self) -> str:
        """What the data loss is where every class is as likely as any other."""
        classes = len(self.dataset["class_counts"]["train"])
        return f"log({classes}) = {math.log(classes):.3f} nats"

    def reports_penalty(self, circumstance: str) -> bool:
        """Whether the objective, which frameworks report as the loss, is more than the data loss."""
        rows = self.features.query("circumstance == @circumstance and feature == 'starting_loss'")
        means = rows.pivot(index="parameters", columns="measure", values="mean")
        return bool((means["objective"] > means["data_loss"]).any())

    def start_against_guessing(self, circumstance: str) -> str:
        """Where the data loss starts in the smallest and the largest network, beside what guessing costs."""
        rows = self.features.query("circumstance == @circumstance and measure == 'data_loss'")
        rows = rows[rows["feature"] == "starting_loss"].sort_values("parameters")
        smallest, largest = (
            f"{row.mean:.3f} with {size_label(int(row.parameters))}" for row in rows.iloc[[0, -1]].itertuples()
        )
        return f"guessing costs {self.guessing}; it starts at {smallest} parameters, at {largest} (figure `features`)"

    def data_words(self) -> str:
        """Where the data come from, how many cubes there are, and of which classes."""
        counts = self.dataset["class_counts"]
        source = f"`{PurePath(self.dataset['source']['path']).name}`" if "source" in self.dataset else "synthetic"
        side = self.dataset["cube_side"]
        balance = ", ".join(f"{count} of class {label}" for label, count in enumerate(counts["train"]))
        return (
            f"{source}: {sum(counts['train'])} training cubes of {side} voxels a side in {len(counts['train'])} "
            f"classes ({balance}), and {sum(counts['test'])} for testing"
        )

    @property
    def circumstances(self) -> list[str]:
        """The judged circumstances, in the study's order."""
        return list(self.verdicts["circumstance"].unique())

    def verdict(self, circumstance: str, measure: str, feature: str) -> pandas.Series | None:
        """One row of verdicts.csv; None where the study has no such circumstance."""
        return only(self.verdicts, circumstance=circumstance, measure=measure, feature=feature)

    def contrast(self, circumstance: str, measure: str, feature: str) -> pandas.Series | None:
        """One row of contrasts.csv: the circumstance less its reference."""
        return only(self.contrasts, circumstance=circumstance, measure=measure, feature=feature)

    def extremes(self, circumstance: str, measure: str, axis: str = "step") -> pandas.Series | None:
        """Largest against smallest, of crossovers.csv."""
        return only(self.crossovers, circumstance=circumstance, measure=measure, axis=axis, pair="extremes")

    def largest_diverged(self, circumstance: str) -> bool:
        """Whether a run of the circumstance's largest size diverged."""
        runs = self.runs[self.runs["circumstance"] == circumstance]
        return bool(runs.loc[runs["parameters"] == runs["parameters"].max(), "diverged"].any())

    def plateaus(self, circumstance: str) -> str:
        """How many of the circumstance's runs ended on a plateau."""
        runs = self.runs[self.runs["circumstance"] == circumstance]
        diverged = int(runs["diverged"].sum())
        text = f"{int(runs['plateau'].sum())} of {len(runs)} runs ended on a plateau, the rest had not settled"
        return text + (f" or ({diverged}) diverged" if diverged else "")


def only(table: pandas.DataFrame, **values: str) -> pandas.Series | None:
    """The single row with these values, or None."""
    for column, value in values.items():
        table = table[table[column] == value]
    return None if table.empty else table.iloc[0]


def number(value: float, digits: int = 3) -> str:
    """A signed number as it is printed: +0.031."""
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(estimate: float, low: float, high: float, digits: int = 3) -> str:
    """An estimate with its interval, or why there is none."""
    if not numpy.isfinite(estimate):
        return "no number, since a value is not finite"
    return f"{number(estimate, digits)} [{number(low, digits)}, {number(high, digits)}]"


def missing(value: Any) -> bool:
    """Whether a cell of a table was left empty."""
    return bool(pandas.isna(value))


def statement(row: pandas.Series) -> str:
    """A verdict in words, with all that stands behind it."""
    seeds = f"{row['seeds']} {'initialisations' if row['feature'] == 'starting_loss' else 'seeds'}"
    unit = UNITS.get(row["feature"], "nats")
    size = (
        f"{number(row['slope_per_doubling'])} {unit} per doubling of parameters, 95% interval "
        f"{number(row['ci_low'])} to {number(row['ci_high'])}"
        if numpy.isfinite(row["slope_per_doubling"])
        else "no slope, since some values are not finite (diverged, or not reached)"
    )
    measure = row["measure"].replace("_", " ")
    return (
        f"{measure}, {NAMES[row['feature']]}: **{row['verdict']}** "
        f"({size}; {certainty(row['p_value'], row['p_holm'])}; {seeds}; figure `{FIGURE_OF[row['feature']]}`)"
    )


def by_verdict(row: pandas.Series, answers: Mapping[str, str]) -> str:
    """The answer that a verdict gives; what it leaves open is said to be open."""
    open_answers = {
        "mixed": "it depends on the size: the response is not monotone.",
        "diverged": "some size diverged in every run, and there is no answer for it.",
        "undecided": "undecided by this study.",
    }
    return (open_answers | dict(answers))[row["verdict"]]


def penalty_notes(evidence: Evidence, circumstance: str) -> list[str]:
    """Of what rises in the objective, the share that is penalty."""
    rows = (evidence.verdict(circumstance, "objective", feature) for feature in ("starting_loss", "end_value"))
    return [
        f"of the {NAMES[row['feature']]}'s rise from smallest to largest, {row['penalty_share']:.0%} is penalty (an "
        "identity, not a cause)"
        for row in rows
        if row["verdict"] == "rises" and numpy.isfinite(row["penalty_share"])
    ]


def all_plateaus(evidence: Evidence, circumstance: str) -> bool:
    """Whether every run of the circumstance ended on a plateau."""
    return bool(evidence.runs.loc[evidence.runs["circumstance"] == circumstance, "plateau"].all())


def crossing_words(crossing: pandas.Series) -> str:
    """How often, and from where on, the largest is below the smallest to the end."""
    seeds = f"the largest crosses below the smallest in {crossing['crossed']} of {crossing['seeds']} seeds"
    if not numpy.isfinite(crossing["median_crossover"]):
        return seeds
    unit = "step " if crossing["axis"] == "step" else "FLOPs "
    return f"{seeds}, from {unit}{crossing['median_crossover']:.3g} on (median)"
