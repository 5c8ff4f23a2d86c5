"""All verdicts at a glance: one row per circumstance, one column per feature of a loss."""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from widthwise.figures.layout import (
    AROUND_PANELS,
    MOST_HEIGHT,
    WIDTH,
    explain,
    identical,
    name_rows,
    row_heights,
    title,
)
from widthwise.figures.style import SMALL
from widthwise.report.palette import verdict_look
from widthwise.report.wording import FEATURES, MEASURES, change, counted, listed, number
from widthwise.study.curves import AnyStudy

GAP = 0.12  # between the columns of two measures
AT_LEAST = {"rises": "≥ ", "falls": "≤ "}


def draw(study: AnyStudy, verdicts: pandas.DataFrame) -> Figure:
    """Draws a cell for each verdict: its word, the change from the smallest to the largest size, and its interval."""
    verdicts = verdicts[verdicts["circumstance"].isin(study.judged)].fillna({"slight": False})
    groups = identical(
        verdicts,
        study.judged,
        ["measure", "feature", "verdict", "agrees", "slight", "diverged"],
        ["change", "ci_low", "ci_high"],
    )
    positions = column_positions(verdicts)
    height = min(0.5 * sum(row_heights(groups)) + 0.6, MOST_HEIGHT - AROUND_PANELS) + AROUND_PANELS
    figure, axes = pyplot.subplots(figsize=(WIDTH, height), layout="constrained")
    title(figure, finding(verdicts[verdicts["circumstance"].isin([group[0] for group in groups])]))
    for group, row in zip(groups, name_rows(axes, groups), strict=True):
        for verdict in verdicts[verdicts["circumstance"] == group[0]].to_dict("records"):
            draw_cell(axes, positions[verdict["measure"], verdict["feature"]], row, verdict)
    label_columns(axes, positions)
    axes.set_xlim(0, max(positions.values()) + 1)
    explain(figure, note(verdicts))
    return figure


def column_positions(verdicts: pandas.DataFrame) -> dict[tuple[str, str], float]:
    """Returns the left edge of each column, measure by measure."""
    there = set(verdicts[["measure", "feature"]].itertuples(index=False, name=None))
    columns = [(measure, feature) for measure in MEASURES for feature in FEATURES if (measure, feature) in there]
    measures = list(dict.fromkeys(measure for measure, _ in columns))
    return {column: place + GAP * measures.index(column[0]) for place, column in enumerate(columns)}


def draw_cell(axes: Axes, left: float, row: tuple[float, float], verdict: dict) -> None:
    """Draws one verdict, its change and half of its interval, and whether it was predicted."""
    top, height = row
    arrow, fill, ink = verdict_look(verdict["verdict"], slight=verdict["slight"])
    axes.add_patch(
        Rectangle((left + 0.02, top + 0.03), 0.96, height - 0.06, facecolor=fill, edgecolor="#bbbbbb", linewidth=0.5)
    )
    word = "slight" if verdict["slight"] else verdict["verdict"]
    lines = [f"{arrow} {word}{prediction_mark(verdict)}"]
    if numpy.isfinite(verdict["change"]):
        at_least = AT_LEAST.get(verdict["verdict"], "") if verdict["diverged"] else ""
        lines += [at_least + change(verdict["change"]), f"± {number((verdict['ci_high'] - verdict['ci_low']) / 2)}"]
    elif verdict["diverged"]:
        lines.append(f"{verdict['diverged']} diverged")
    axes.text(left + 0.5, top + height / 2, "\n".join(lines), color=ink, ha="center", va="center", fontsize=SMALL)


def prediction_mark(verdict: dict) -> str:
    """Returns the mark of a prediction that held or failed."""
    if pandas.isna(verdict["agrees"]) or (verdict["verdict"] == "undecided" and not verdict["agrees"]):
        return ""
    return " ✓" if verdict["agrees"] else " ✗"


def label_columns(axes: Axes, positions: dict[tuple[str, str], float]) -> None:
    """Writes the features above their columns, and the measures above these."""
    for (_, feature), left in positions.items():
        words = FEATURES[feature].replace(" at ", " at\n").replace("initial ", "initial\n").replace(" to ", " to\n")
        axes.annotate(words, (left + 0.5, 0), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=8)
    for measure in dict.fromkeys(measure for measure, _ in positions):
        lefts = [left for (of, _), left in positions.items() if of == measure]
        axes.annotate(
            MEASURES[measure],
            ((lefts[0] + lefts[-1] + 1) / 2, 0),
            (0, 36),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontweight="bold",
        )


def finding(verdicts: pandas.DataFrame) -> str:
    """Says how many predictions held."""
    predicted = verdicts[verdicts["agrees"].notna()]
    if predicted.empty:
        return "How each feature of the loss moves as networks grow"
    held = predicted["agrees"].astype(bool)
    undecided = (predicted["verdict"] == "undecided") & ~held
    failed = len(predicted) - held.sum() - undecided.sum()
    parts = [f"{held.sum()} held", f"{failed} failed", f"{undecided.sum()} are undecided"]
    return f"Of {counted(len(predicted), 'prediction')} {listed(parts)}"


def note(verdicts: pandas.DataFrame) -> str:
    """Says what numbers and marks that occur stand for."""
    parts = [
        "Change from the smallest to the largest size ± half of the interval that decides: nats, or doublings of steps "
        "(steps to midway)."
    ]
    if verdicts["agrees"].notna().any():
        parts.append("✓: as predicted; ✗: not; no mark: nothing was predicted, or it is undecided.")
    if verdicts["slight"].any():
        parts.append("Slight: the interval excludes 0, but every size is within the margin of the smallest.")
    if ((verdicts["diverged"] > 0) & verdicts["verdict"].isin(AT_LEAST)).any():
        parts.append("≥ and ≤: some runs diverged; the change is at least this large.")
    return " ".join(parts)
