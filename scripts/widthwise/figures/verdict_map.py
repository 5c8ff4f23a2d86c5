"""Does the loss start and end higher in larger networks, in each circumstance?

*Undecided* does not mean no effect; *flat* does. To compare two circumstances, use the contrasts in the answer, not one
verdict being decided and the other not. The table of verdicts has all other features.
"""

from collections.abc import Mapping
from typing import Any

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.inference import END, START
from widthwise.figures.findings import AT_LEAST, bounds_note, ends_finding
from widthwise.figures.layout import (
    AROUND_PANELS,
    MOST_HEIGHT,
    WIDTH,
    explain,
    name_rows,
    row_heights,
    title,
)
from widthwise.figures.style import GREY, SMALL
from widthwise.report.evidence import NOT_ONE_WAY, goes_against_its_trend
from widthwise.report.palette import verdict_look
from widthwise.report.wording import MEASURES, capitalised, change, format_verdict, number
from widthwise.study.curves import AnyStudy

COLUMNS = (
    ("objective", "starting_loss"),
    ("objective", "end_value"),
    ("data_loss", "starting_loss"),
    ("data_loss", "end_value"),
)
WORDS = {"starting_loss": "at the start", "end_value": "at the end"}
GOES_BACK = "not one way"
SMALLEST = 0.001  # nats; a smaller decided change is not written out
GAP = 0.08  # between the columns of two measures
HEADING = 0.6  # height of a family's heading, in rows
ROW_HEIGHT = 0.34  # inches
ABOVE_COLUMNS = 0.6  # inches


def draw(study: AnyStudy, verdicts: pandas.DataFrame, features: pandas.DataFrame) -> Figure:
    """Draws a cell for start and end of both losses: the verdict, and the trend over all sizes."""
    verdicts = verdicts[verdicts["circumstance"].isin(study.judged)].fillna({"slight": False})
    verdicts = verdicts[[key in COLUMNS for key in zip(verdicts["measure"], verdicts["feature"], strict=True)]]
    families = rows_of_families(study, verdicts, features)
    groups = [group for found in families.values() for group in found]
    names = [", ".join(study.titles(group)) for group in groups]
    headings = {found[0][0]: family for family, found in families.items()} if len(families) > 1 else {}
    positions, has_data_loss = column_positions(verdicts), "data_loss" in set(verdicts["measure"])
    replicates = features.groupby(["circumstance", "measure", "feature"])["seeds"].sum()
    height = ROW_HEIGHT * (sum(row_heights(names)) + HEADING * len(headings)) + ABOVE_COLUMNS
    size = WIDTH, min(height, MOST_HEIGHT - AROUND_PANELS) + AROUND_PANELS
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    title(figure, ends_finding(study, verdicts, [group[0] for group in groups]))
    places = name_rows(axes, names, [HEADING * (group[0] in headings) for group in groups])
    for group, (top, height) in zip(groups, places, strict=True):
        if group[0] in headings:
            write_heading(axes, top, headings[group[0]])
        reports_penalty = study.circumstances[group[0]].reports_penalty
        for verdict in verdicts[verdicts["circumstance"] == group[0]].to_dict("records"):
            left = positions[verdict["measure"], verdict["feature"]]
            is_same = verdict["measure"] == "objective" and has_data_loss and not reports_penalty
            of_all = replicates[group[0], verdict["measure"], verdict["feature"]]
            draw_cell(axes, left, (top, height), verdict, of_all, is_same=is_same)
    label_columns(axes, positions)
    axes.set_xlim(0, max(positions.values()) + 1)
    explain(figure, note(verdicts))
    return figure


def rows_of_families(
    study: AnyStudy, verdicts: pandas.DataFrame, features: pandas.DataFrame
) -> dict[str, list[list[str]]]:
    """Returns the circumstances of each row, by family: the same ones in one row, unless their marks differ."""
    marks = {
        name: tuple(
            (row["verdict"], bool(row["slight"]), row["diverged"], prediction_mark(row))
            for row in rows.to_dict("records")
        )
        for name, rows in verdicts.groupby("circumstance")
    }
    first = {name: group[0] for group in same_circumstances(study, features) for name in group}
    families = {}
    for family, names in study.families.items():
        rows: dict[tuple, list[str]] = {}
        for name in names:
            rows.setdefault((first[name], marks.get(name)), []).append(name)
        families[family] = list(rows.values())
    return families


def column_positions(verdicts: pandas.DataFrame) -> dict[tuple[str, str], float]:
    """Returns the left edge of each column, measure by measure."""
    there = set(verdicts[["measure", "feature"]].itertuples(index=False, name=None))
    columns = [column for column in COLUMNS if column in there]
    measures = list(dict.fromkeys(measure for measure, _ in columns))
    return {column: place + GAP * measures.index(column[0]) for place, column in enumerate(columns)}


def write_heading(axes: Axes, top: float, family: str) -> None:
    """Writes a family's heading above the name of its first row."""
    place = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "bottom"}
    axes.text(-0.01, top - 0.02, family, **place, fontsize=SMALL, fontweight="bold")


def draw_cell(
    axes: Axes, left: float, row: tuple[float, float], verdict: Mapping[str, Any], replicates: int, *, is_same: bool
) -> None:
    """Draws one verdict, its trend and half of its interval, and whether it was predicted.

    With `is_same`, it says that the verdict is the data loss', in place of verdict and trend. `replicates` are
    those of all sizes: runs, or of starts backbones.
    """
    top, height = row
    middle = left + 0.5, top + height / 2
    if is_same:
        axes.text(
            *middle, f"= data loss{prediction_mark(verdict)}", color=GREY, ha="center", va="center", fontsize=SMALL
        )
        return
    arrow, fill, ink = verdict_look(verdict["verdict"], slight=verdict["slight"])
    axes.add_patch(
        Rectangle((left + 0.02, top + 0.03), 0.96, height - 0.06, facecolor=fill, edgecolor="#bbbbbb", linewidth=0.5)
    )
    name = format_verdict(verdict["verdict"], slight=verdict["slight"])
    words = f"{arrow} {GOES_BACK if goes_against_its_trend(verdict) else name}{prediction_mark(verdict)}"
    if verdict["slight"] and abs(verdict["change"]) < SMALLEST:
        words += f"  < {SMALLEST}"
    elif numpy.isfinite(verdict["change"]):
        at_least = AT_LEAST.get(verdict["verdict"], "") if verdict["diverged"] else ""
        reach = (verdict["ci_high"] - verdict["ci_low"]) / 2
        is_bounded = numpy.isfinite(reach) and not at_least
        words += f"  {at_least}{change(verdict['change'])}" + (f" ± {number(reach)}" if is_bounded else "")
    elif verdict["diverged"]:
        words += f"  {verdict['diverged']} of {replicates}" + (" diverged" if verdict["verdict"] != "diverged" else "")
    axes.text(*middle, words, color=ink, ha="center", va="center", fontsize=SMALL)


def prediction_mark(verdict: Mapping[str, Any]) -> str:
    """Returns the mark of a prediction that held or failed."""
    if pandas.isna(verdict["agrees"]) or (verdict["verdict"] == "undecided" and not verdict["agrees"]):
        return ""
    return " ✓" if verdict["agrees"] else " ✗"


def label_columns(axes: Axes, positions: Mapping[tuple[str, str], float]) -> None:
    """Writes what each column is above it, and the measures above these."""
    for (_, feature), left in positions.items():
        axes.annotate(WORDS[feature], (left + 0.5, 0), (0, 3), textcoords="offset points", ha="center", va="bottom")
    for measure in dict.fromkeys(measure for measure, _ in positions):
        lefts = [left for (of, _), left in positions.items() if of == measure]
        axes.annotate(
            MEASURES[measure],
            ((lefts[0] + lefts[-1] + 1) / 2, 0),
            (0, 18),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontweight="bold",
        )


def note(verdicts: pandas.DataFrame) -> str:
    """Says what numbers and marks that occur stand for."""
    has_intervals = numpy.isfinite(verdicts["ci_high"] - verdicts["ci_low"]).any()
    half = " ± half of the interval that decides" if has_intervals else ""
    parts = [f"Trend over all sizes, from the smallest to the largest{half}, in nats."]
    if verdicts["agrees"].notna().any():
        parts.append("✓: as predicted; ✗: not; no mark: nothing was predicted, or it is undecided.")
    if verdicts["slight"].any():
        margins = f"{START.margin} at the start, {END.margin} at the end"
        parts.append(
            f"Slightly: the interval excludes 0, but every size is within the margin of the smallest ({margins})."
        )
    if any(map(goes_against_its_trend, verdicts.to_dict("records"))):
        parts.append(f"{capitalised(GOES_BACK)}: undecided, since {NOT_ONE_WAY}, though the interval excludes 0.")
    return " ".join([*parts, bounds_note(verdicts)])
