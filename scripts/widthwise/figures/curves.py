"""Loss curves in axes: one line per size, the seeds as a band around their mean."""

from collections.abc import Callable, Mapping

import pandas
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from widthwise.analysis.features import BROKEN_DOWN
from widthwise.report.palette import size_colours

DIVERGED = {"color": "#000000", "marker": "x", "markersize": 5, "linestyle": "none"}
ALONE = {"linewidth": 0.8, "linestyle": "--"}
START = {"linewidth": 2, "solid_capstyle": "butt"}
PRINTED = {"marker": "o", "markersize": 3, "markerfacecolor": "white", "markeredgewidth": 0.8, "linestyle": "none"}


def by_seed(rows: pandas.DataFrame, along: str, measure: str) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Summarises the seeds of one size.

    Args:
        rows: rows of one size, with columns `seed`, `along` and `measure`.
        along: the column of the horizontal axis.
        measure: the column of the vertical axis.

    Returns:
        Columns `mean`, `lowest` and `highest` where every seed has a value, indexed by `along`; and all values, one
        column per seed. A mean of the seeds that survived is never drawn.
    """
    values = rows.pivot(index=along, columns="seed", values=measure)
    complete = values.dropna()
    summary = {
        "mean": complete.mean(axis="columns"),
        "lowest": complete.min(axis="columns"),
        "highest": complete.max(axis="columns"),
    }
    return pandas.DataFrame(summary), values


def draw_curves(
    axes: Axes, losses: pandas.DataFrame, runs: pandas.DataFrame, measure: str, label: Callable[[int], str]
) -> dict[str, tuple[float, str]]:
    """Draws a measure of one circumstance against steps, one line per size.

    Of a size of which a run diverged, each seed has a line of its own; that of one that diverged ends in a cross.

    Args:
        axes: the axes.
        losses: the circumstance's rows of losses.csv.
        runs: the circumstance's rows of runs.csv.
        measure: the column to draw.
        label: formats sizes.

    Returns:
        For `label_lines`: each line's label, with its end value (the last one if the table has no end) and colour.
    """
    colours = size_colours(losses["parameters"])
    lost, last_rows = runs[runs["diverged"]].groupby("parameters").size(), last_rows_of_diverged(losses, runs)
    end_values = runs.groupby("parameters")[f"{measure}_end_value"].mean() if f"{measure}_end_value" in runs else {}
    ends = {}
    for rank, (parameters, rows) in enumerate(losses.groupby("parameters")):
        shared, values = by_seed(rows, "step", measure)
        colour = colours[parameters]
        if parameters in lost:
            words = f"{label(parameters)} ({lost[parameters]} diverged)"
            axes.plot(values.index, values, color=colour, **ALONE)
            crosses = last_rows[last_rows["parameters"] == parameters]
            axes.plot(crosses["step"], crosses[measure], **DIVERGED | {"color": colour})
            ends[words] = (values.iloc[-1].median(), colour)
        else:
            axes.fill_between(shared.index, shared["lowest"], shared["highest"], color=colour, alpha=0.18, linewidth=0)
            axes.plot(shared.index, shared["mean"], color=colour, linewidth=1.1 + 0.2 * rank)
            ends[label(parameters)] = (end_values.get(parameters, shared["mean"].iloc[-1]), colour)
    return ends


def draw_starts(axes: Axes, starts: pandas.Series, colours: Mapping[int, str], last: int) -> None:
    """Draws each size's starting loss as a dash left of step 0; `starts` has one for each parameter count."""
    for parameters, start in starts.dropna().items():
        axes.plot([-0.035 * last, -0.008 * last], [start, start], color=colours[parameters], **START)


def draw_printed(axes: Axes, printed: pandas.DataFrame, colours: Mapping[int, str]) -> None:
    """Draws the mean printed loss of each epoch at the epoch's last step, in the colours of the sizes."""
    for parameters, rows in printed.groupby("parameters"):
        shared, _ = by_seed(rows, "step", "printed")
        axes.plot(shared.index, shared["mean"], color=colours[parameters], **PRINTED)


def curve_note(runs: pandas.DataFrame, sizes: str) -> str:
    """Says what lines and bands of these runs are; `sizes` is what sizes are compared by."""
    seeds = runs["seed"].nunique()
    if seeds == 1:
        return f"Labels: {sizes}, in the order of the ends. One seed."
    if runs.groupby(["circumstance", "parameters"])["diverged"].any().all():
        return f"Labels: {sizes}."
    bands = f"Lines: mean over {seeds} seeds; bands: lowest to highest seed."
    return f"Labels: {sizes}, in the order of the ends. {bands}"


def curve_key(losses: pandas.DataFrame, runs: pandas.DataFrame, *, printed: bool = False) -> list[Line2D]:
    """Returns the keys of those marks that occur."""
    handles = []
    if printed:
        handles.append(
            Line2D([], [], color="#000000", **PRINTED, label="printed loss: mean of the epoch that ends there")
        )
    if len(last_rows_of_diverged(losses, runs)):
        broken = f"not finite, or ends above {BROKEN_DOWN} times start and guessing"
        handles.append(Line2D([], [], **DIVERGED, label=f"a seed that diverged: {broken}"))
    if runs["diverged"].any():
        handles.append(Line2D([], [], color="#000000", **ALONE, label="each seed, where one diverged"))
    return handles


def last_rows_of_diverged(losses: pandas.DataFrame, runs: pandas.DataFrame) -> pandas.DataFrame:
    """The last row of each run that diverged; a run that diverged at once has none."""
    run = ["circumstance", "parameters", "seed"]
    return losses.sort_values("step").drop_duplicates(run, keep="last").merge(runs.loc[runs["diverged"], run])


def shown_ends(ends: Mapping[str, tuple[float, str]]) -> list[float]:
    """The end of each line."""
    return [value for value, _ in ends.values()]
