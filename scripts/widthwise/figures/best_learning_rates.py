"""Where the data loss ends at each learning rate, and the best and the highest stable rate of each width.

Where the best rate falls with width, one fixed rate becomes too high for wide networks. A best rate at the edge of its
grid is only a bound.
"""

import math
from typing import Any

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.analysis.learning_rates import EDGE_WITHOUT_A_SEED, INSIDE, LOWER_EDGE, UPPER_EDGE
from widthwise.analysis.tables import classes_of
from widthwise.figures.axes import beside, cut_far_above, guessing_key, guessing_line, log_axis, tick_log_ends
from widthwise.figures.curves import DIVERGED, by_seed
from widthwise.figures.labels import label_lines
from widthwise.figures.layout import explain, panel_grid, title, title_panel
from widthwise.figures.style import series_styles
from widthwise.report.palette import size_colours
from widthwise.report.wording import counted, group_by_words, listed, number, rate_label, size_label
from widthwise.study.plan import Study

OPTIMUM = {"marker": "o", "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "linestyle": "none"}
CENSORED = {"marker": "D", "markersize": 5, "markerfacecolor": "white", "linestyle": "none"}
ALL_STABLE = {"marker": "$\\uparrow$", "markersize": 8, "linestyle": "none"}
MOST_SHOWN = 3  # doublings of an interval on either side of a best rate


def draw(study: Study, runs: pandas.DataFrame, optima: pandas.DataFrame, slopes: pandas.DataFrame) -> Figure:
    """Draws the data loss's end against the rate for each grid, and the best rates against width.

    `optima` is learning_rates.csv, `slopes` learning_rate_slopes.csv.
    """
    if not study.grids:
        raise ValueError("the study has no grid of learning rates: add a circumstance with `learning_rates` to `study`")
    seeds, classes = len(study.seeds), classes_of(runs)
    best_slopes = slopes[slopes["quantity"] == "best"].set_index("grid")
    figure, panels = panel_grid(len(study.grids) + 1, height=3.2)
    title(figure, finding(best_slopes, study))
    ends = {}
    for axes, (grid, members) in zip(panels[:-1], study.grids.items(), strict=True):
        title_panel(axes, study.titles([grid]), f"best rate: {slope_words(best_slopes.loc[grid])}")
        of_grid = optima[optima["grid"] == grid]
        ends[axes] = draw_grid(axes, runs[runs["circumstance"].isin(members)], of_grid)
        guessing_line(axes, classes)
        cut_far_above(axes, [], classes)
        axes.set(xlabel="learning rate", ylabel="data loss, end (nats)")
    title_panel(panels[-1], ["best and highest stable rate"])
    series = draw_rates(panels[-1], optima, study)
    in_grids = runs["circumstance"].isin([name for members in study.grids.values() for name in members])
    explain(
        figure,
        f"Labels: parameters. Lines: geometric mean over {counted(seeds, 'seed')}; bands: lowest to highest seed. "
        "Powers: best rate in proportion to width^power, with its 95% interval. Stable: no run up to this rate "
        f"diverges or ends above guessing. Intervals are cut {MOST_SHOWN} doublings from the best rate.",
        [*mark_key(optima, runs[in_grids]), *guessing_key(classes), *series],
    )
    label_lines(figure, ends)
    return figure


def mark_key(optima: pandas.DataFrame, runs: pandas.DataFrame) -> list[Artist]:
    """Returns the keys of those marks that occur."""
    handles = [pyplot.Line2D([], [], color="#000000", **OPTIMUM, label="best rate, 95% interval, and lowest loss")]
    if optima["optimum"].isin([LOWER_EDGE, UPPER_EDGE, EDGE_WITHOUT_A_SEED]).any():
        handles.append(
            pyplot.Line2D([], [], color="#000000", **CENSORED, label="best rate at the grid's edge: a bound")
        )
    if optima["all_stable"].any():
        handles.append(pyplot.Line2D([], [], color="#000000", **ALL_STABLE, label="all rates stable: a bound"))
    if runs["diverged"].any():
        handles.append(pyplot.Line2D([], [], **DIVERGED, label="a seed diverged"))
    return handles


def draw_grid(axes: Axes, runs: pandas.DataFrame, rates: pandas.DataFrame) -> dict[str, tuple[float, str]]:
    """Draws the end against the learning rate: one line per size, and each size's best rate.

    Where a seed diverged, the table has only a bound: there is a cross instead.
    """
    colours = size_colours(runs["parameters"])
    ends = {}
    for parameters, rows in runs.groupby("parameters"):
        colour = colours[parameters]
        logs = rows.assign(log_end=numpy.log(rows["data_loss_end_value"].mask(rows["diverged"].astype(bool))))
        shared, values = by_seed(logs, "learning_rate", "log_end")
        shared = numpy.exp(shared)
        axes.fill_between(shared.index, shared["lowest"], shared["highest"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(shared.index, shared["mean"], color=colour, linewidth=1.4)
        lost = values.index.difference(shared.index)
        axes.plot(lost, [0.96] * len(lost), transform=axes.get_xaxis_transform(), **DIVERGED | {"color": colour})
        if len(shared):
            ends[size_label(parameters)] = (shared["mean"].iloc[-1], colour)
    for row in rates.to_dict("records"):
        draw_best(axes, row, colours[row["parameters"]])
    log_axis(axes, runs["learning_rate"], rate_label)
    return ends


def draw_best(axes: Axes, row: dict, colour: str) -> None:
    """Marks a size's best rate and the loss there."""
    if row["optimum"] != INSIDE:
        axes.plot(2.0 ** row["log2_rate"], row["lowest_loss"], color=colour, **CENSORED)
        return
    rate, low, high = 2.0 ** row["log2_rate"], *interval_shown(row["log2_rate"], row["ci_low"], row["ci_high"])
    axes.errorbar(rate, row["lowest_loss"], xerr=[[rate - low], [high - rate]], color=colour, elinewidth=0.8, **OPTIMUM)


def interval_shown(log2_rate: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """An interval's two rates, cut off `MOST_SHOWN` doublings from the best rate: it may be very long, or unbounded."""
    return 2.0 ** numpy.maximum(low, log2_rate - MOST_SHOWN), 2.0 ** numpy.minimum(high, log2_rate + MOST_SHOWN)


def draw_rates(axes: Axes, rates: pandas.DataFrame, study: Study) -> list[Artist]:
    """Draws best and highest stable rates against width, one style per grid; returns the key."""
    handles = []
    for place, (style, grid) in enumerate(zip(series_styles(len(study.grids)), study.grids, strict=True)):
        rows = rates[rates["grid"] == grid].sort_values("width")
        rows["width"] = rows["width"] * beside(place, len(study.grids))
        axes.plot(rows["width"], 2.0 ** rows["log2_rate"], **style | {"marker": "none"})
        inside = rows["optimum"] == INSIDE
        found, bounds = rows[inside], rows[~inside]
        best = 2.0 ** found["log2_rate"]
        low, high = interval_shown(found["log2_rate"], found["ci_low"], found["ci_high"])
        points = style | {"linestyle": "none"}
        axes.errorbar(found["width"], best, yerr=[best - low, high - best], elinewidth=0.8, **points)
        axes.plot(bounds["width"], 2.0 ** bounds["log2_rate"], color=style["color"], **CENSORED)
        stable = points | {"markerfacecolor": "white"}
        for is_bound, marks in rows.groupby("all_stable"):
            look = {"color": style["color"], **ALL_STABLE} if is_bound else stable
            axes.plot(marks["width"], 2.0 ** marks["log2_highest_stable"], **look)
        handles.append(pyplot.Line2D([], [], **style, label=f"{study.title(grid)}: best"))
        handles.append(pyplot.Line2D([], [], **stable, label=f"{study.title(grid)}: highest stable"))
    widths = numpy.array(sorted(rates["width"].unique()))
    middle = 2.0 ** rates["log2_rate"].median() * numpy.median(widths) / widths
    handles += axes.plot(widths, middle, color="#999999", linewidth=1, linestyle=":", label="in proportion to 1/width")
    shown = 2.0 ** rates[["log2_rate", "log2_highest_stable"]].stack().dropna()
    if len(shown):
        tick_log_ends(axes, shown.min(), shown.max(), rate_label)
    log_axis(axes, widths, str)
    axes.set(xlabel="width", ylabel="learning rate")
    return handles


def slope_words(row: pandas.Series) -> str:
    """Says how a rate goes with width: "width^−1.00 [−1.20, −0.80], falls"."""
    if not math.isfinite(row["slope"]):
        return "no slope: some best rate is not inside the grid"
    interval = f"[{number(row['ci_low'], 2)}, {number(row['ci_high'], 2)}]"
    return f"width^{number(row['slope'], 2)} {interval}, {row['verdict']}"


def finding(slopes: pandas.DataFrame, study: Study) -> str:
    """Says how each grid's best rate moves with width."""
    verdicts = {study.title(grid): slopes.loc[grid, "verdict"] for grid in study.grids}
    decided = [(verdict, grid) for grid, verdict in verdicts.items() if verdict != "undecided"]
    others = [("is undecided", grid) for grid, verdict in verdicts.items() if verdict == "undecided"]
    words = group_by_words([*decided, *others])
    return "As width grows, the best learning rate " + listed(
        f"{text} ({listed(names)})" for text, names in words.items()
    )
