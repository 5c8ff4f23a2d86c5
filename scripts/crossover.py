"""Do larger networks end up below smaller ones, and from where on: against steps, and against training cost.

Reads tables/crossovers.csv. A cell says in how many seeds the larger of two sizes ends at least 0.01 nats below
the smaller, to the end and for at least the last tenth, and from which step (median over seeds).
"""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import EngFormatter

from widthwise.figure_program import draw_from_tables
from widthwise.style import caption
from widthwise.wording import circumstance_label, size_label

SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#08519c"])


def cell_text(row: dict) -> str:
    """Seeds that cross, and the median point of crossing."""
    seeds = f"{row['below_in_the_end']}/{row['seeds']}"
    if not numpy.isfinite(row["median_crossover"]):
        return seeds
    if row["median_crossover"] == 0:
        return f"{seeds}\nalways"
    unit = "step " if row["axis"] == "step" else ""
    return f"{seeds}\n{unit}{EngFormatter(places=0, sep='')(row['median_crossover'])}"


def draw(crossovers: pandas.DataFrame) -> pyplot.Figure:
    """Rows: circumstance and measure. Columns: neighbouring sizes, then largest against smallest; a panel an axis."""
    rows = list(crossovers[["circumstance", "measure"]].drop_duplicates().itertuples(index=False, name=None))
    columns = max(len(group) for _, group in crossovers.groupby(["circumstance", "measure", "axis"]))
    figure, panels = pyplot.subplots(
        1, 2, figsize=(1.7 * columns + 2.4, 0.52 * len(rows) + 2.1), sharey=True, layout="constrained"
    )
    figure.suptitle("Where a larger network's loss stays below a smaller one's")
    for axes, (axis, title) in zip(
        panels, (("step", "against steps"), ("flops", "against training FLOPs")), strict=True
    ):
        for index, (circumstance, measure) in enumerate(rows):
            group = crossovers[
                (crossovers["circumstance"] == circumstance)
                & (crossovers["measure"] == measure)
                & (crossovers["axis"] == axis)
            ]
            for column, row in enumerate(group.to_dict("records")):
                share = row["below_in_the_end"] / row["seeds"]
                left = column + 0.15 * (row["pair"] == "extremes")
                axes.add_patch(
                    pyplot.Rectangle(
                        (left, index), 1, 1, facecolor=SHARES(0.85 * share), edgecolor="#cccccc", linewidth=0.6
                    )
                )
                axes.text(left + 0.5, index + 0.5, cell_text(row), ha="center", va="center", fontsize=7.5,
                          color="white" if share > 0.6 else "black")  # fmt: skip
        pairs = group[["pair", "smaller", "larger"]].itertuples(index=False, name=None)
        ticks = [
            (i + 0.5 + 0.15 * (pair == "extremes"), f"{size_label(larger)}\nover\n{size_label(smaller)}")
            for i, (pair, smaller, larger) in enumerate(pairs)
        ]
        axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks], fontsize=7)
        axes.set(xlim=(0, columns + 0.15), ylim=(len(rows), 0), title=title)
        axes.tick_params(left=False, bottom=False)
        axes.spines[:].set_visible(False)
        axes.grid(False)
    figure.get_layout_engine().set(wspace=0.06)
    names = [f"{circumstance_label(c)}: {m.replace('_', ' ')}" for c, m in rows]
    panels[0].set_yticks([i + 0.5 for i in range(len(rows))], names, fontsize=8)
    caption(
        figure,
        "Seeds in which the larger ends at least 0.01 nats below; the median point from which on. Dark: many seeds.",
    )
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["crossovers"])
