"""The penalty (lambda x sum of squared kernel entries) at the start of training, hollow, and over the end window,
filled: against parameters, and, for the largest network, against steps.

Under BatchNorm a kernel's scale does not change the data loss; the penalty drifts to where weight decay and gradient
steps balance. There it is expected to grow as the cube root of the parameters (dotted). A curve that is not level yet
says nothing of where that is.
"""

from collections.abc import Mapping

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.figures.axes import log_axis, size_labels, step_axis, tick_log_ends
from widthwise.figures.findings import MOST_NAMED, ONE_SEED
from widthwise.figures.layout import (
    AROUND_PANELS,
    WIDTH,
    explain,
    key_beside,
    label_below,
    row_grid,
    title,
    title_row,
)
from widthwise.figures.style import SERIES_COLOURS, series_styles
from widthwise.report.wording import short_number
from widthwise.study.curves import AnyStudy

MARK = {"color": "#000000", "marker": "o", "markersize": 5, "linestyle": "none"}
START = {"linestyle": "none", "markerfacecolor": "white"}
GUIDE = {"color": "#999999", "linewidth": 1, "linestyle": ":"}
SIZES = "start (hollow) and end"
LARGEST = "the largest network"
MOST_SERIES = len(SERIES_COLOURS)  # in a panel
MARKS_APART = 0.12  # of the panel's diagonal


def draw(
    study: AnyStudy, losses: pandas.DataFrame, penalties: pandas.DataFrame, penalty_ratios: pandas.DataFrame
) -> Figure:
    """Draws the penalty at start and end against parameters, and the largest network's against steps.

    Where one row would be too full, each family has a row of its own. `penalties` and `penalty_ratios` are the tables
    of that name.
    """
    if not study.penalised:
        raise ValueError("no circumstance's reported loss holds a penalty: there is none to draw")
    rows_of = series_of_rows(study, set(penalties["circumstance"]))
    if not rows_of:
        return nothing_left(left_out(study, losses, penalties))
    columns = SIZES, LARGEST + (" of which no run diverged" if lost_the_largest(losses, penalties) else "")
    figure, rows = row_grid(len(rows_of), columns, height=3.6 if len(rows_of) == 1 else 2.4)
    title(figure, finding(penalty_ratios[penalty_ratios["reference"].isna()]))
    for row, (family, names) in zip(rows, rows_of, strict=True):
        styles = dict(zip(names, series_styles(len(names)), strict=True))
        ends, curves = (table[table["circumstance"].isin(names)] for table in (penalties, losses))
        draw_sizes(row[0], ends, styles)
        draw_steps(row[1], curves, ends, styles)
        for axes in row:
            tick_log_ends(axes, *limits(axes))
        log_axis(row[0], ends["parameters"], size_labels(study))
        step_axis(row[1], int(curves["step"].max()))
        title_row(row, [family], "penalty, nats") if family else row[0].set_ylabel("penalty (nats)")
        key_beside(row[1], [pyplot.Line2D([], [], **style, label=study.title(name)) for name, style in styles.items()])
    label_below([row[:1] for row in rows], study.size_name)
    label_below([row[1:] for row in rows], study.step_name)
    seeds = len(study.seeds)
    intervals = ONE_SEED if seeds == 1 else f"Geometric means over {seeds} seeds; bars: their 95% intervals."
    explain(
        figure,
        f"{intervals} The end is the mean over the end window. Each panel has its own scale. "
        f"{left_out(study, losses, penalties)}".rstrip(),
        [
            pyplot.Line2D([], [], **MARK | START, label="start"),
            pyplot.Line2D([], [], **MARK, label="end"),
            pyplot.Line2D([], [], **GUIDE, label=f"slope of the cube root of {study.size_name}"),
        ],
    )
    return figure


def nothing_left(why: str) -> Figure:
    """Returns a figure that only says why nothing is drawn."""
    figure, axes = pyplot.subplots(figsize=(WIDTH, AROUND_PANELS), layout="constrained")
    axes.set_axis_off()
    title(figure, "No size has a penalty to show")
    explain(figure, why)
    return figure


def series_of_rows(study: AnyStudy, known: set[str]) -> list[tuple[str, list[str]]]:
    """The circumstances of each row, with their family if rows are by family; `known` are those with a penalty."""
    families = {family: [name for name in judged if name in known] for family, judged in study.families.items()}
    if sum(map(len, families.values())) <= MOST_SERIES:
        families = {"": [name for names in families.values() for name in names]}
    return [
        (family, names[first : first + MOST_SERIES])
        for family, names in families.items()
        for first in range(0, len(names), MOST_SERIES)
    ]


def draw_sizes(axes: Axes, penalties: pandas.DataFrame, styles: Mapping[str, dict]) -> None:
    """Draws start and end against parameters, one series for each circumstance, and the cube root as a guide."""
    for name, style in styles.items():
        rows = penalties[penalties["circumstance"] == name].sort_values("parameters")
        reach = [rows["end"] - rows["ci_low"], rows["ci_high"] - rows["end"]]
        bars = [numpy.where(numpy.isfinite(rows["ci_high"]), side, 0) for side in reach]
        axes.errorbar(rows["parameters"], rows["end"], yerr=bars, elinewidth=0.8, **style)
        axes.plot(rows["parameters"], rows["start"], **style | START)
    sizes = numpy.array([penalties["parameters"].min(), penalties["parameters"].max()], dtype=float)
    middle = penalties["end"].median()
    axes.plot(sizes, middle * (sizes / numpy.sqrt(sizes.prod())) ** (1 / 3), **GUIDE)


def draw_steps(axes: Axes, losses: pandas.DataFrame, penalties: pandas.DataFrame, styles: Mapping[str, dict]) -> None:
    """Draws the penalty of each circumstance's largest network that has one, the geometric mean of its seeds."""
    largest = penalties.groupby("circumstance")["parameters"].max()
    for name, style in styles.items():
        rows = losses[(losses["circumstance"] == name) & (losses["parameters"] == largest[name])]
        logs = numpy.log(rows["penalty"].where(rows["penalty"] > 0)).groupby(rows["step"]).mean()
        axes.plot(logs.index, numpy.exp(logs), **style | {"markevery": MARKS_APART, "markersize": 4})


def left_out(study: AnyStudy, losses: pandas.DataFrame, penalties: pandas.DataFrame) -> str:
    """Says why sizes are missing, where some are."""
    trained, shown = (
        set(table[["circumstance", "parameters"]].itertuples(index=False, name=None)) for table in (losses, penalties)
    )
    missing = {name for name, _ in trained - shown} & set(study.penalised)
    return "Left out: sizes of which a run diverged, or that have no penalty." if missing else ""


def lost_the_largest(losses: pandas.DataFrame, penalties: pandas.DataFrame) -> bool:
    """Whether some circumstance's largest network has no penalty to show."""
    trained, shown = (table.groupby("circumstance")["parameters"].max() for table in (losses, penalties))
    return bool((shown < trained[shown.index]).any())


def limits(axes: Axes) -> tuple[float, float]:
    """The lowest and the highest value drawn, bars included."""
    bars = [path[:, 1] for artist in axes.collections for path in artist.get_segments()]
    values = numpy.concatenate([numpy.asarray(line.get_ydata(), dtype=float) for line in axes.lines] + bars)
    return float(numpy.nanmin(values)), float(numpy.nanmax(values))


def finding(ratios: pandas.DataFrame) -> str:
    """Says how much more penalty is left in the largest network than in the smallest; of many ratios, the median."""
    if ratios.empty:
        return "The penalty that is left at the end of training"
    shown = ratios["ratio"].agg(["min", "max"] if len(ratios) <= MOST_NAMED else ["median"])
    words = " to ".join(dict.fromkeys(short_number(ratio, 1 if ratio < 10 else 0) for ratio in shown))
    if len(ratios) <= MOST_NAMED:
        return f"At the end the largest network's penalty is {words} times the smallest's"
    more = (ratios["ratio"] > 1).sum()
    return (
        f"In {more} of {len(ratios)} circumstances the largest network keeps more penalty than the smallest; in the "
        f"median it is {words} times as much"
    )
