"""Axes: ticks at both ends, the guessing line, and limits that show the effect."""

import math
from collections.abc import Callable, Iterable

import numpy
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from widthwise.analysis.features import BROKEN_DOWN
from widthwise.figures.style import SMALL
from widthwise.report.wording import number, short_number, size_label
from widthwise.study.curves import AnyStudy

GUESSING = {"color": "#777777", "linewidth": 0.9, "linestyle": (0, (1, 1.5))}
NICE_STEPS = (1, 2, 2.5, 5, 10)
# What lies above this multiple of the guessing loss, and of every end, is cut; ends of runs that broke down are too.
FAR_ABOVE = 2
FAR_BELOW = 0.5  # of the guessing loss: where all losses lie below it, its line would press them flat
NARROW = 1.8  # inches, of a panel


def guessing_line(axes: Axes, classes: int | None) -> None:
    """Draws the data loss of guessing, log(classes), if that is known; to be called before the limits are set."""
    if classes is not None:
        axes.axhline(math.log(classes), **GUESSING)


def loss_limits(axes: Axes, classes: int | None, *, intervals: int = 4, signed: bool = False) -> bool:
    """Draws the guessing line and sets the vertical limits; losses far below guessing fill the panel without it.

    Panels that share the vertical axis get one scale, and a guessing line each. A panel without any loss shows
    guessing alone, or has no ticks. Intervals are cut at 0, unless values are `signed`. Returns whether the line lies
    outside.
    """
    panels = axes.get_shared_y_axes().get_siblings(axes)
    low, high = min(panel.dataLim.y0 for panel in panels), max(panel.dataLim.y1 for panel in panels)
    for panel in panels:
        guessing_line(panel, classes)
    guessing = math.nan if classes is None else math.log(classes)
    if not math.isfinite(low):  # of every size a run diverged
        low = high = guessing
    if math.isnan(low):
        axes.set_yticks([])
        return False
    if not signed and all((line_values(panel) >= 0).all() for panel in panels):
        low = max(low, 0)  # an interval may reach below any loss
    if high >= FAR_BELOW * guessing:
        low, high = min(low, guessing), max(high, guessing)
    tick_ends(axes, low, high, least=min(0.2, 2 * high), intervals=intervals)
    return axes.get_ylim()[1] < guessing


def far_below_note(classes: int | None, outside: Iterable[bool]) -> str:
    """Says why the guessing line is not in every panel; `outside` says for each whether it lies outside."""
    if not any(outside):
        return ""
    guessing = number(math.log(classes))
    return f" Guessing costs {guessing}: its line is left out where all losses lie below {FAR_BELOW:.0%} of that."


def guessing_key(classes: int | None, outside: Iterable[bool] = (False,)) -> list[Line2D]:
    """Returns the key of the guessing line if it is drawn; `outside` says for each panel whether it lies outside."""
    if classes is None or all(outside):
        return []
    return [Line2D([], [], **GUESSING, label=f"guessing: log({classes}) = {number(math.log(classes))}")]


def tick_ends(axes: Axes, low: float, high: float, *, least: float = 0.2, intervals: int = 4) -> None:
    """Sets vertical limits around `low` and `high` that are ticks themselves.

    Args:
        axes: the axes.
        low: the smallest value to show.
        high: the largest value to show.
        least: the least span, so that what is level looks level.
        intervals: about how many intervals between ticks.
    """
    margin = max(0.03 * (high - low), (least - (high - low)) / 2)
    bottom, top = low - margin, high + margin
    if low >= 0 > bottom:
        bottom, top = 0.0, max(top, least)
    ticks = MaxNLocator(intervals, steps=NICE_STEPS).tick_values(bottom, top)
    axes.set_yticks(ticks)
    axes.set_ylim(ticks[0], ticks[-1])


def small_label(value: float) -> str:
    """Formats a tick: 20, 0.005, 5e-5."""
    return f"{value:g}".replace("e-0", "e-")


def tick_log_ends(axes: Axes, low: float, high: float, label: Callable[[float], str] = small_label) -> None:
    """Makes a logarithmic vertical axis around `low` and `high`, with limits that are ticks themselves.

    Args:
        axes: the axes.
        low: the smallest value to show, above 0.
        high: the largest value to show.
        label: formats a tick.
    """
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    nice = numpy.array([float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)])
    first, last = nice[nice < low / 1.05][-1], nice[nice > high * 1.05][0]
    inner = nice[(nice > first) & (nice < last)]
    if len(inner) > 4:  # only whole decades, at most 6 of them, clear of the ends
        clear = max(1.9, (last / first) ** (1 / 14))
        every = math.ceil(math.log10(last / first) / 6)
        inner = [float(f"1e{decade}") for decade in decades if decade % every == 0]
        inner = [tick for tick in inner if clear * first < tick < last / clear]
    ticks = [first, *inner, last]
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(ticks, [label(tick) for tick in ticks])
    axes.set_ylim(first, last)


def cut_far_above(axes: Axes, ends: Iterable[float], classes: int | None, *, from_zero: bool = False) -> None:
    """Sets the vertical limits of losses by their lines; bands, and what lies far above, are cut and labelled.

    Far above is beyond twice the ends and the guessing loss.

    Args:
        axes: axes in which the losses are drawn.
        ends: the last value of each line.
        classes: number of classes, if it is known.
        from_zero: whether the axis begins at 0, so that parts add up to the eye.
    """
    low, highest = axes.dataLim.intervaly
    high = float(line_values(axes).max(initial=-math.inf))
    if classes is None:  # the lowest start, where the loss of guessing is not known
        guessing = min((line.get_ydata()[0] for line in axes.lines if len(line.get_ydata())), default=high)
    else:
        guessing = math.log(classes)
    limit = FAR_ABOVE * max([guessing, *(end for end in ends if end <= BROKEN_DOWN * guessing)])
    if limit <= low:  # losses that are negative
        limit = high
    tick_ends(axes, 0 if from_zero else low, min(high, limit), intervals=max(2, min(5, int(3 * panel_size(axes)[1]))))
    if highest > axes.get_ylim()[1]:
        axes.annotate(
            f"↑ to {short_number(highest, 1)}",
            (0.5, 1),
            (0, -2),
            "axes fraction",
            "offset points",
            fontsize=SMALL,
            ha="center",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )


def line_values(axes: Axes) -> numpy.ndarray:
    """Returns the finite values of all lines, flat; without bands, and without marks that stand alone."""
    lines = [line.get_ydata() for line in axes.lines if line.get_linestyle() != "None"]
    values = numpy.concatenate(lines or [[]]).astype(float)
    return values[numpy.isfinite(values)]


def panel_size(axes: Axes) -> tuple[float, float]:
    """Returns about how wide and high a panel and its surroundings are, in inches."""
    width, height = axes.get_figure(root=True).get_size_inches()
    rows, columns = axes.get_subplotspec().get_gridspec().get_geometry()
    return width / columns, height / rows


def step_axis(axes: Axes, last: int) -> None:
    """Ticks steps from 0 to the last, both of them included."""
    width = panel_size(axes)[0]
    narrow = width < NARROW
    ticks = MaxNLocator(max(1, int(1.4 * width)), steps=NICE_STEPS).tick_values(0, last)
    inner = [tick for tick in ticks if 0 <= tick <= (0.55 if narrow else 0.8) * last]
    axes.set_xlim(0, 1.015 * last)
    axes.set_xticks([*inner, last], [f"{tick:,.0f}" for tick in (*inner, last)])
    if narrow:  # the labels at the ends would run into those of the next panel
        labels = axes.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")


def size_labels(study: AnyStudy) -> Callable[[int], str]:
    """Returns what formats the sizes of a study: parameters in short, other sizes as they are."""
    return size_label if study.size_name == "parameters" else str


def beside(place: int, count: int) -> float:
    """The factor by which the place-th of so many series is moved along a logarithmic axis, so that none is hidden."""
    return 1.02 ** (place - (count - 1) / 2)


def log_axis(axes: Axes, values: Iterable[float], label: Callable[[float], str]) -> None:
    """Makes a logarithmic horizontal axis with a tick at each value, and labels at the ends and where there is room.

    A label needs about half an inch; `label` formats a value.
    """
    ticks = sorted(set(values))
    logs = numpy.log(ticks)
    span = logs[-1] - logs[0] or 1.0
    apart = 0.5 / max(0.6, panel_size(axes)[0] - 0.7) * span
    shown = [0, len(logs) - 1]
    for place in range(1, len(logs) - 1):
        if all(abs(logs[place] - logs[other]) >= apart for other in shown):
            shown.append(place)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [label(tick) if place in shown else "" for place, tick in enumerate(ticks)])
    axes.set_xlim(numpy.exp(logs[0] - 0.06 * span), numpy.exp(logs[-1] + 0.06 * span))
