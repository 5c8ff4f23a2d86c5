"""What the reported loss is made of: objective = data loss + penalty, side by side for every size.

Reads `circumstance`, `parameters`, `seed`, `step`, `objective`, `data_loss`, `penalty` of tables/losses.csv.
A gap between sizes in the objective that is there in the penalty, but not in the data loss, is no worse fit.
"""

import pandas
from matplotlib import pyplot

from widthwise.figures.curves import BAND, draw_curves
from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption, label_lines
from widthwise.report.wording import circumstance_label

MEASURES = {"objective": "objective", "data_loss": "= data loss", "penalty": "+ penalty"}


def draw(losses: pandas.DataFrame, circumstances: list[str]) -> pyplot.Figure:
    """A row a circumstance, a column a measure; one scale a row, so that the parts add up to the eye."""
    figure, grid = pyplot.subplots(
        len(circumstances),
        len(MEASURES),
        figsize=(9.6, 2.5 * len(circumstances) + 0.9),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle("The objective and its two parts as ever larger networks train")
    ends = {}
    for row, circumstance in zip(grid, circumstances, strict=True):
        of_circumstance = losses[losses["circumstance"] == circumstance]
        for axes, measure in zip(row, MEASURES, strict=True):
            ends[axes] = draw_curves(axes, of_circumstance, measure)
            axes.set_xlim(0, losses["step"].max())
            axes.set_ylim(bottom=0)
        row[0].set_ylabel(f"{circumstance_label(circumstance)}\n(nats)")
    for axes, title in zip(grid[0], MEASURES.values(), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("step")
    seeds = losses["seed"].nunique()
    figure.get_layout_engine().set(w_pad=0.25)
    caption(
        figure,
        f"Labels: parameters. {BAND} {seeds} seeds.",
    )
    label_lines(figure, ends)
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["losses"], lists=["circumstances"])
