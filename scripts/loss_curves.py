"""The question's own figure: the reported loss of ever larger networks, in every circumstance.

Reads `circumstance`, `parameters`, `seed`, `step`, `objective` of tables/losses.csv. Black is the largest
network, red the smallest, as in the question.
"""

import pandas
from matplotlib import pyplot

from widthwise.figures.curves import BAND, draw_curves
from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption, label_lines, span_at_least
from widthwise.report.wording import circumstance_label


def draw(losses: pandas.DataFrame, circumstances: list[str]) -> pyplot.Figure:
    """A panel a circumstance, at most three a row, each on its own scale: one that starts far above the others would
    press them flat."""
    columns = 2 if len(circumstances) == 4 else min(3, len(circumstances))
    rows = -(-len(circumstances) // columns)
    figure, grid = pyplot.subplots(
        rows,
        columns,
        figsize=(max(5.4, 3.5 * columns + 0.3), 3.1 * rows + 0.9),  # the title is as wide as that
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle("The objective of ever larger networks as they train")
    ends = {}
    for axes, circumstance in zip(grid.flat, circumstances, strict=False):
        ends[axes] = draw_curves(axes, losses[losses["circumstance"] == circumstance], "objective")
        axes.set_title(circumstance_label(circumstance))
        axes.set_xlim(0, losses.loc[losses["circumstance"] == circumstance, "step"].max())
        span_at_least(axes)
    for axes in grid.flat[len(circumstances) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("objective (nats)")
    for axes in grid.flat[max(0, len(circumstances) - columns) : len(circumstances)]:
        axes.set_xlabel("step")  # nothing stands below these
    seeds = losses["seed"].nunique()
    figure.get_layout_engine().set(w_pad=0.25)
    caption(
        figure,
        f"Labels: parameters. {BAND} {seeds} seeds. Each panel has its own scale.",
    )
    label_lines(figure, ends)
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["losses"], lists=["circumstances"])
