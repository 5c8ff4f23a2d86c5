"""Loss curves in axes: one line per size, the seeds as a band around their mean."""

from collections.abc import Callable, Container, Mapping

import pandas
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from widthwise.report.palette import size_colours
from widthwise.report.wording import counted, size_label

DIVERGED = {"color": "#000000", "marker": "x", "markersize": 5, "linestyle": "none"}
ALONE = {"linewidth": 0.8, "linestyle": ":"}
PRINTED = {"marker": "o", "markersize": 3, "markerfacecolor": "white", "markeredgewidth": 0.8, "linestyle": "none"}


def by_seed(rows: pandas.DataFrame, along: str, measure: str, seeds: int) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Splits the seeds of one size into what all of them share and what some reach alone.

    Args:
        rows: rows of one size, with columns `seed`, `along` and `measure`.
        along: the column of the horizontal axis.
        measure: the column of the vertical axis.
        seeds: how many seeds the study has.

    Returns:
        Columns `mean`, `lowest` and `highest` where every seed has a value, indexed by `along`; and all values, one
        column per seed. A mean of the seeds that survived is never drawn.
    """
    values = rows.pivot(index=along, columns="seed", values=measure)
    complete = values.dropna() if len(values.columns) == seeds else values.iloc[:0]
    summary = {
        "mean": complete.mean(axis="columns"),
        "lowest": complete.min(axis="columns"),
        "highest": complete.max(axis="columns"),
    }
    return pandas.DataFrame(summary), values


def draw_curves(
    axes: Axes,
    losses: pandas.DataFrame,
    measure: str,
    seeds: int,
    label: Callable[[int], str] = size_label,
    apart: Container[int] = (),
) -> dict[str, tuple[float, str]]:
    """Draws a measure against steps, one line per size; `label` formats sizes.

    The mean goes as far as every seed does. Where one has ended, a cross marks its end and the others go on alone,
    dotted. Of the sizes `apart`, by parameters, every seed is alone from the start.

    Returns:
        For `label_lines`: each line's label with its last value and colour.
    """
    colours = size_colours(losses["parameters"])
    ends = {}
    for rank, (parameters, rows) in enumerate(losses.groupby("parameters")):
        shared, values = by_seed(rows, "step", measure, seeds)
        shared = shared.iloc[:0] if parameters in apart else shared
        colour = colours[parameters]
        axes.fill_between(shared.index, shared["lowest"], shared["highest"], color=colour, alpha=0.18, linewidth=0)
        axes.plot(shared.index, shared["mean"], color=colour, linewidth=1.1 + 0.2 * rank)
        alone = values.loc[shared.index[-1] if len(shared) else 0 :]
        axes.plot(alone.index, alone, color=colour, **ALONE)
        for column in alone.columns[values.iloc[-1].isna()]:
            last = values[column].last_valid_index()
            axes.plot(last, values.loc[last, column], **DIVERGED | {"color": colour})
        end = values.iloc[-1].median() if len(alone) > 1 or shared.empty else shared["mean"].iloc[-1]
        ends[label(parameters)] = (end, colour)
    return ends


def draw_printed(axes: Axes, printed: pandas.DataFrame, colours: Mapping[int, str], seeds: int) -> None:
    """Draws the mean printed loss of each epoch at the epoch's last step, in the colours of the sizes."""
    for parameters, rows in printed.groupby("parameters"):
        shared, _ = by_seed(rows, "step", "printed", seeds)
        axes.plot(shared.index, shared["mean"], color=colours[parameters], **PRINTED)


def curve_note(seeds: int, sizes: str = "parameters") -> str:
    """Says what lines and bands are; `sizes` is what sizes are compared by."""
    if seeds == 1:
        return f"Labels: {sizes}. One seed."
    return f"Labels: {sizes}. Lines: mean over {counted(seeds, 'seed')}; bands: lowest to highest seed."


def curve_key(losses: pandas.DataFrame, seeds: int, *, printed: bool = False, apart: bool = False) -> list[Line2D]:
    """Returns the keys of those marks that occur; `apart`: sizes are drawn seed by seed."""
    handles = []
    if printed:
        handles.append(Line2D([], [], color="#000000", **PRINTED, label="printed loss: mean over an epoch"))
    ended = some_ended_early(losses, seeds)
    if ended:
        handles.append(Line2D([], [], **DIVERGED, label="a seed ended in infinity"))
    if ended or apart:
        handles.append(Line2D([], [], color="#000000", **ALONE, label="each seed of a size of which one diverged"))
    return handles


def some_ended_early(losses: pandas.DataFrame, seeds: int) -> bool:
    """Whether some run has no curve, or one that ends before the others of its size."""
    last = losses.groupby(["circumstance", "size", "seed"])["step"].max().groupby(["circumstance", "size"])
    return bool((last.min() < last.max()).any() or (last.size() < seeds).any())


def shown_ends(ends: Mapping[str, tuple[float, str]]) -> list[float]:
    """The last value of each line."""
    return [value for value, _ in ends.values()]
