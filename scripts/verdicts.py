"""All verdicts at a glance: a row a circumstance, a column a feature; which way it moves, how far, and how surely.

Reads tables/verdicts.csv. An arrow gives the direction as parameters grow, the number beneath it the change per
doubling of parameters, the corner whether it was expected.
"""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import VERDICT_LOOKS, caption
from widthwise.report.wording import certainty, circumstance_label

HEADINGS = {
    "starting_loss": "starting\nloss",
    "initial_decay": "initial\ndecay",
    "steps_to_midway": "steps to\nmidway",
    "end_value": "end\nvalue",
}


def draw_cell(axes: Axes, column: int, row: int, verdict: dict) -> None:
    """One verdict: arrow, change per doubling with its interval, p, and the mark of its expectation."""
    arrow, colour, ink = VERDICT_LOOKS[verdict["verdict"]]
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=2))
    if verdict["verdict"] == "undecided":
        axes.add_patch(Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, fill=False, edgecolor="#bbbbbb"))
    axes.text(column + 0.5, row + 0.3, f"{arrow} {verdict['verdict']}", color=ink, ha="center", va="center")
    if numpy.isfinite(verdict["slope_per_doubling"]):
        half = (verdict["ci_high"] - verdict["ci_low"]) / 2
        size = f"{verdict['slope_per_doubling']:+.3f} ± {half:.3f}".replace("-", "−")
    else:
        size = f"{verdict['diverged']} diverged" if verdict["diverged"] else "some not reached"
    axes.text(column + 0.5, row + 0.58, size, color=ink, ha="center", va="center", fontsize=7)
    p_value = certainty(verdict["p_value"], verdict["p_holm"])
    axes.text(column + 0.5, row + 0.8, p_value, color=ink, ha="center", va="center", fontsize=7)
    if not pandas.isna(verdict["agrees"]):
        agrees = str(verdict["agrees"]) == "True"
        axes.text(column + 0.93, row + 0.17, "✓" if agrees else "✗", color=ink, ha="right", va="center", fontsize=9)


def draw(verdicts: pandas.DataFrame) -> pyplot.Figure:
    """The matrix; the objective's columns left, the data loss' right."""
    circumstances = list(verdicts["circumstance"].unique())
    columns = list(verdicts[["measure", "feature"]].drop_duplicates().itertuples(index=False, name=None))
    figure, axes = pyplot.subplots(
        figsize=(1.35 * len(columns) + 2.2, 0.72 * len(circumstances) + 1.9), layout="constrained"
    )
    axes.set(xlim=(0, len(columns) + 0.15), ylim=(len(circumstances), -0.85))
    positions = {}
    for index, (measure, feature) in enumerate(columns):
        position = index + 0.15 * (measure == "data_loss")
        positions[measure, feature] = position
        axes.text(position + 0.5, -0.05, HEADINGS[feature], ha="center", va="bottom", fontsize=8)
    for measure in ("objective", "data_loss"):
        spots = [position for (of, _), position in positions.items() if of == measure]
        axes.text((min(spots) + max(spots) + 1) / 2, -0.6, measure.replace("_", " "), ha="center", fontweight="bold")
    for verdict in verdicts.to_dict("records"):
        draw_cell(
            axes,
            positions[verdict["measure"], verdict["feature"]],
            circumstances.index(verdict["circumstance"]),
            verdict,
        )
    axes.set_yticks([i + 0.5 for i in range(len(circumstances))], [circumstance_label(c) for c in circumstances])
    axes.set_xticks([])
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    figure.suptitle("How each feature moves as parameters grow")
    seeds = verdicts.loc[verdicts["feature"] == "end_value", "seeds"].max()
    caption(
        figure,
        "Change per doubling of parameters ± half of its 95% interval: nats, or doublings of time (steps to midway). "
        f"✓ as expected before the run, ✗ not; no mark: nothing expected. {seeds} seeds. Holm's p: the primary family.",
    )
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["verdicts"])
