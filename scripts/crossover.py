"""Do larger networks cross below smaller ones, and from where on: against steps, and against training cost.

Reads tables/crossovers.csv. A cell says in how many seeds the larger of two sizes lies below the smaller by a margin at
every logged point from some point on, by nine tenths of the way at the latest, and from which (median over seeds).
"""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter

from widthwise.analysis.features import CROSSOVER_MARGIN
from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption
from widthwise.report.wording import circumstance_label, size_label

SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#08519c"])


def cell_text(row: dict) -> str:
    """Seeds that cross, and the median point of crossing."""
    seeds = f"{row['crossed']}/{row['seeds']}"
    if not numpy.isfinite(row["median_crossover"]):
        return seeds
    if row["median_crossover"] == 0:
        return f"{seeds}\nalways"
    unit = "step " if row["axis"] == "step" else ""
    return f"{seeds}\n{unit}{EngFormatter(places=0, sep='')(row['median_crossover'])}"


def draw_panel(axes: Axes, crossovers: pandas.DataFrame, rows: list[tuple[str, str]]) -> None:
    """One axis (steps or FLOPs) of circumstances that train the same sizes: a row a circumstance and measure."""
    for index, (circumstance, measure) in enumerate(rows):
        found = crossovers[(crossovers["circumstance"] == circumstance) & (crossovers["measure"] == measure)]
        ticks = []
        for column, row in enumerate(found.to_dict("records")):
            share = row["crossed"] / row["seeds"]
            left = column + 0.15 * (row["pair"] == "extremes")
            axes.add_patch(
                Rectangle((left, index), 1, 1, facecolor=SHARES(0.85 * share), edgecolor="#cccccc", linewidth=0.6)
            )
            ink = "white" if share > 0.6 else "black"
            axes.text(left + 0.5, index + 0.5, cell_text(row), ha="center", va="center", fontsize=7.5, color=ink)
            ticks.append((left + 0.5, f"{size_label(row['larger'])}\nover\n{size_label(row['smaller'])}"))
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks], fontsize=7)
    names = [f"{circumstance_label(c)}: {m.replace('_', ' ')}" for c, m in rows]
    axes.set_yticks([i + 0.5 for i in range(len(rows))], names, fontsize=8)
    axes.set(xlim=(-0.02, len(ticks) + 0.17), ylim=(len(rows), 0))
    axes.tick_params(left=False, bottom=False)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def draw(crossovers: pandas.DataFrame) -> pyplot.Figure:
    """A block for each set of sizes, steps left and FLOPs right; neighbouring sizes, then largest against smallest."""
    by_circumstance = crossovers.groupby("circumstance", sort=False)
    sizes = by_circumstance[["smaller", "larger"]].agg(lambda column: tuple(column.unique()))
    blocks = [list(group.index) for _, group in sizes.groupby(["smaller", "larger"], sort=False)]
    heights = [2 * len(block) for block in blocks]
    columns = max(len(group) for _, group in crossovers.groupby(["circumstance", "measure", "axis"]))
    figure, grid = pyplot.subplots(
        len(blocks),
        2,
        figsize=(1.7 * columns + 3.4, 0.52 * sum(heights) + 1.2 * len(blocks) + 0.9),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle("Where a larger network's loss stays below a smaller one's")
    for panels, block in zip(grid, blocks, strict=True):
        rows = [(circumstance, measure) for circumstance in block for measure in ("objective", "data_loss")]
        for axes, axis in zip(panels, ("step", "flops"), strict=True):
            draw_panel(axes, crossovers[crossovers["axis"] == axis], rows)
        panels[1].tick_params(labelleft=False)
    grid[0, 0].set_title("against steps")
    grid[0, 1].set_title("against training FLOPs, up to the smaller's budget")
    figure.get_layout_engine().set(wspace=0.06)
    caption(
        figure,
        f"Seeds in which the larger crosses below, by {CROSSOVER_MARGIN} nats or more, and stays there from nine "
        "tenths of the way on at the latest; the median point from which on. Dark: many seeds.",
    )
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["crossovers"])
