"""For each learning rate, and for trainings that stopped after ever more steps: does the data loss end higher in
larger networks?

Each cell has the verdict and the change from the smallest to the largest network. The columns share their runs, and so
do not confirm each other. Neighbouring rates have runs of their own.
"""

from collections.abc import Mapping
from typing import Any

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from widthwise.analysis.verdicts import DESCRIPTIVE_LEVEL, rises_by_chance
from widthwise.figures.findings import AT_LEAST, bounds_note
from widthwise.figures.layout import explain, panel_grid, title, title_panel
from widthwise.figures.style import SMALL
from widthwise.report.palette import VERDICT_LOOKS, verdict_look
from widthwise.report.wording import change, counted, percentage, rate_label
from widthwise.study.plan import Study

EDGE = "#bbbbbb"
CELL_HEIGHT = 0.3  # inches
AROUND_CELLS = 1.0  # inches, of a panel: its titles and its axis


def draw(study: Study, budgets: pandas.DataFrame) -> Figure:
    """Draws a panel for each grid: a row for each rate, a column for each number of steps. `budgets` is
    learning_rate_budgets.csv."""
    if not study.grids:
        raise ValueError("the study has no grid of learning rates: add a circumstance with `learning_rates` to `study`")
    rates = budgets.groupby("grid")["learning_rate"].nunique().max()
    figure, panels = panel_grid(len(study.grids), most_columns=2, height=CELL_HEIGHT * rates + AROUND_CELLS)
    title(figure, finding(budgets))
    for axes, grid in zip(panels, study.grids, strict=True):
        rows = budgets[budgets["grid"] == grid]
        title_panel(axes, study.titles([grid]), tally(rows))
        draw_grid(axes, rows)
    handles = [
        Patch(facecolor=fill, edgecolor=EDGE, label=f"{arrow} {verdict}")
        for verdict, (arrow, fill, _) in VERDICT_LOOKS.items()
        if verdict in set(budgets["verdict"])
    ]
    explain(
        figure,
        "Change of the data loss' end from the smallest to the largest network (nats), had training stopped after so "
        f"many steps; {counted(len(study.seeds), 'seed')}, descriptive, at {percentage(DESCRIPTIVE_LEVEL)}: without "
        f"any effect, about {rises_by_chance(len(budgets)):.0f} of {len(budgets)} would rise. "
        f"{bounds_note(budgets)}",
        handles,
    )
    return figure


def draw_grid(axes: Axes, budgets: pandas.DataFrame) -> None:
    """Draws the cells of one grid: the verdict's colour and arrow, and the change."""
    steps, rates = (sorted(budgets[column].unique()) for column in ("steps", "learning_rate"))
    for cell in budgets.to_dict("records"):
        left, bottom = steps.index(cell["steps"]), rates.index(cell["learning_rate"])
        arrow, fill, ink = verdict_look(cell["verdict"])
        axes.add_patch(Rectangle((left, bottom), 1, 1, facecolor=fill, edgecolor=EDGE, linewidth=0.5, clip_on=False))
        axes.text(
            left + 0.5,
            bottom + 0.5,
            f"{arrow}{change_words(cell)}",
            color=ink,
            ha="center",
            va="center",
            fontsize=SMALL,
        )
    axes.set(xlim=(0, len(steps)), ylim=(0, len(rates)), xlabel="steps", ylabel="learning rate")
    axes.set_xticks(numpy.arange(len(steps)) + 0.5, [f"{step:,}" for step in steps])
    axes.set_yticks(numpy.arange(len(rates)) + 0.5, [rate_label(rate) for rate in rates])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def change_words(cell: Mapping[str, Any]) -> str:
    """Writes the change of a cell; nothing where diverged runs leave it open."""
    if cell["diverged"]:
        return f" {AT_LEAST[cell['verdict']]}{change(cell['change'], 2)}" if cell["verdict"] in AT_LEAST else ""
    return f" {change(cell['change'], 2)}"


def tally(budgets: pandas.DataFrame) -> str:
    """Counts a grid's verdicts: "rises in 4 of 48, falls in 20"."""
    counts = budgets["verdict"].value_counts()
    first, *others = (f"{verdict} in {counts[verdict]}" for verdict in VERDICT_LOOKS if verdict in counts)
    return ", ".join([f"{first} of {len(budgets)}", *others])


def finding(budgets: pandas.DataFrame) -> str:
    """Says at how many learning rates of all grids larger networks end higher after all steps, or break down."""
    last = budgets[budgets["steps"] == budgets.groupby("grid")["steps"].transform("max")]
    rises, diverged = (int((last["verdict"] == verdict).sum()) for verdict in ("rises", "diverged"))
    grids = budgets["grid"].nunique()
    of_grids = f" in {grids} grids" if grids > 1 else ""
    broken = f"; at {diverged} all runs of some size diverge" if diverged else ""
    rates = counted(len(last), "learning rate")
    return f"Larger networks end with a higher data loss at {rises} of {rates}{of_grids}{broken}"
