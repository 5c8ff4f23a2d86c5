"""The best learning rate against width, under the standard parametrisation and under maximal update.

Reads tables/runs.csv, learning_rates.csv (each seed's optimum) and learning_rate_slopes.csv. A best rate that falls as
width grows makes one fixed rate too high for the wide networks.
"""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes

from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption, label_lines, size_colours
from widthwise.report.wording import circumstance_label, size_label

MARKERS = "os^D"


def draw_grid(axes: Axes, runs: pandas.DataFrame, optima: pandas.DataFrame) -> dict[str, tuple[float, tuple]]:
    """End value against rate, a line a size (median over seeds, range as a band), and each seed's optimum."""
    colours = size_colours(runs["parameters"])
    ends = {}
    for parameters, group in runs.groupby("parameters"):
        by_seed = group.pivot(index="learning_rate", columns="seed", values="data_loss_end_value")
        by_seed = by_seed[numpy.isfinite(by_seed).all(axis="columns")]  # no median of survivors
        median = by_seed.median(axis="columns")
        axes.fill_between(
            by_seed.index, by_seed.min(axis=1), by_seed.max(axis=1), color=colours[parameters], alpha=0.15
        )
        axes.plot(median.index, median, color=colours[parameters], linewidth=1.4)
        best = optima[(optima["parameters"] == parameters) & ~optima["censored"]]
        axes.plot(2.0 ** best["log2_rate"], best["end_value"], "o", markersize=4, color=colours[parameters],
                  markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        if len(median):
            ends[size_label(parameters)] = (median.iloc[-1], colours[parameters])
    axes.set_xscale("log", base=2)
    axes.set_xlabel("learning rate")
    return ends


def draw_optima(axes: Axes, optima: pandas.DataFrame, slopes: pandas.DataFrame) -> None:
    """Each seed's best rate against width, a marker a grid; the published asymptotic for reference."""
    for marker, colour, (grid, group) in zip(
        MARKERS, ("#000000", "#0072b2", "#d55e00", "#009e73"), optima.groupby("grid", sort=False), strict=False
    ):
        inside = group[~group["censored"]]
        axes.plot(inside["width"], 2.0 ** inside["log2_rate"], marker, color=colour, markersize=4, fillstyle="none")
        edge = group[group["censored"]]
        axes.plot(edge["width"], 2.0 ** edge["log2_rate"], "x", color=colour, markersize=5)
        row = slopes[slopes["grid"] == grid].iloc[0]
        known = numpy.isfinite(row["slope"])
        size = f"{row['slope']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}]" if known else "censored"
        axes.plot([], [], marker, color=colour, fillstyle="none", label=f"{circumstance_label(grid)}: slope {size}")
    widths = numpy.array(sorted(optima["width"].unique()))
    middle = 2.0 ** optima["log2_rate"].median() * numpy.median(widths) / widths
    axes.plot(widths, middle, color="#999999", linewidth=1, linestyle=":", label="slope −1, the published asymptotic")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set(xlabel="width", ylabel="best learning rate")
    axes.legend(frameon=False, fontsize=7, loc="best")


def draw(
    runs: pandas.DataFrame, optima: pandas.DataFrame, slopes: pandas.DataFrame, grids: dict[str, list[str]]
) -> pyplot.Figure:
    """A panel a grid, and one of the best rates."""
    figure, panels = pyplot.subplots(1, len(grids) + 1, figsize=(4.2 * (len(grids) + 1), 4), layout="constrained")
    figure.suptitle("Which learning rate is best, by width")
    ends = {}
    for axes, (grid, members) in zip(panels, grids.items(), strict=False):
        ends[axes] = draw_grid(axes, runs[runs["circumstance"].isin(members)], optima[optima["grid"] == grid])
        axes.set_title(circumstance_label(grid))
        axes.sharey(panels[0])
    panels[0].set_ylabel("end value of the data loss (nats)")
    draw_optima(panels[-1], optima, slopes)
    figure.get_layout_engine().set(w_pad=0.3)
    caption(
        figure,
        f"Lines: median of {runs['seed'].nunique()} seeds, bands their range, dots each seed's optimum by a parabola; "
        "x: at the grid's edge, so censored; a rate at which a seed diverged has no point. Slopes: doublings of the "
        "rate per doubling of width, with 95% intervals.",
    )
    label_lines(figure, ends)
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["runs", "optima", "slopes"], objects=["grids"])
