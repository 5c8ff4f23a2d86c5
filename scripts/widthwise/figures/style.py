"""How figures look: one look for all, sizes in an order that survives greyscale, labels beside their lines.

Styles are applied within a context, never globally. It must not know tables, files or what a figure says.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from widthwise.report.wording import size_label

# The question's own colours, red for the smallest to black for the largest, with lightness falling all the way.
SIZES = LinearSegmentedColormap.from_list("sizes", ["#ff7a5c", "#e3211c", "#8c0b12", "#3a0508", "#000000"])
BACKGROUND_CLASS, FOREGROUND_CLASS = "#0072b2", "#e69f00"

MEASURE_STYLES = {
    "objective": {"color": "#000000", "linestyle": "-", "marker": "o", "markersize": 4},
    "data_loss": {
        "color": "#0072b2", "linestyle": "--", "marker": "s", "markersize": 4, "markerfacecolor": "white",
    },
}  # fmt: skip

# Arrow, fill and ink. Colour-blind safe; in greyscale the arrows tell the verdicts apart.
VERDICT_LOOKS = {
    "rises": ("↑", "#d55e00", "white"),
    "falls": ("↓", "#56b4e9", "black"),
    "flat": ("→", "#d9d9d9", "black"),
    "mixed": ("∪", "#f0e442", "black"),
    "diverged": ("×", "#000000", "white"),
    "undecided": ("?", "#ffffff", "black"),
}

RC = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.titlesize": 11,
    "svg.hashsalt": "widthwise",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The look, for as long as a figure is being drawn."""
    with pyplot.rc_context(RC):
        yield


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Writes the figure to each path, in the format of its ending; the same figure gives the same bytes."""
    for path in paths:
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(Path(path).suffix)
        figure.savefig(path, metadata=metadata)
    pyplot.close(figure)


def caption(figure: Figure, text: str) -> None:
    """A note beneath the figure, as wide as it: what lines, bands and marks stand for."""
    characters = int(17 * figure.get_size_inches()[0])
    figure.supxlabel(textwrap.fill(text, characters), fontsize=8, color="#555555")


def size_colours(parameters: Sequence[int]) -> dict[int, tuple]:
    """A colour for each parameter count: by rank, the smallest red, the largest black."""
    ordered = sorted(set(parameters))
    return {count: SIZES(rank) for count, rank in zip(ordered, numpy.linspace(0, 1, len(ordered)), strict=True)}


def sequential_colours(count: int) -> list[tuple]:
    """`count` colours of an order that is not of size, light to dark."""
    return [pyplot.get_cmap("viridis_r")(share) for share in numpy.linspace(0.25, 1, count)]


def parameter_axis(axes: Axes, parameters: Sequence[int]) -> None:
    """A logarithmic axis of parameter counts, marked at the smallest, the largest and about every decade."""
    counts = sorted(set(parameters))
    marked = [counts[0]]
    for count in counts[1:]:
        if count >= 5 * marked[-1] or count == counts[-1]:
            marked.append(count)
    axes.set_xscale("log")
    axes.set_xticks(marked, [size_label(count) for count in marked])
    axes.xaxis.set_minor_locator(pyplot.NullLocator())


def span_at_least(axes: Axes, nats: float = 0.2) -> None:
    """Widens the vertical axis to span so much, so that what is level looks level."""
    low, high = axes.get_ylim()
    if (lacking := nats - (high - low)) > 0:
        axes.set_ylim(low - lacking / 2, high + lacking / 2)


def label_lines(figure: Figure, ends: Mapping[Axes, Mapping[str, tuple[float, tuple]]], points: float = 10) -> None:
    """Writes each line's label right of its axes, shifted so that none overlap; to be called last of all.

    `ends` maps axes to labels, and a label to its line's last y value and colour; `points` is a label's height.
    """
    figure.draw_without_rendering()
    for axes, labels in ends.items():
        if labels:
            label_lines_of(axes, labels, points)


def label_lines_of(axes: Axes, ends: Mapping[str, tuple[float, tuple]], points: float) -> None:
    """The labels of one axes, which has its final limits and size."""
    to_display = axes.transData.transform
    to_axes = axes.transAxes.inverted().transform
    ordered = sorted(ends.items(), key=lambda item: item[1][0])
    heights = [to_display((axes.get_xlim()[0], y))[1] for _, (y, _) in ordered]
    gap = points * axes.figure.dpi / 72
    bottom, top = axes.bbox.y0, axes.bbox.y1
    for (label, (y, colour)), placed in zip(ordered, spread(heights, gap, bottom, top), strict=True):
        position = to_axes((0, placed))[1]
        start = to_axes((0, to_display((axes.get_xlim()[0], y))[1]))[1]
        axes.annotate(
            label,
            xy=(1.0, start),
            xytext=(1.045, position),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def spread(positions: Sequence[float], gap: float, lowest: float, highest: float) -> list[float]:
    """Ascending positions moved as little as their order allows: neighbours at least `gap` apart, all within
    `lowest` and `highest` as far as there is room.

    Isotonic regression: with i * gap taken off, "at least a gap apart" reads "not falling".
    """
    offsets = gap * numpy.arange(len(positions))
    apart = isotonic_regression(numpy.asarray(positions) - offsets).x
    return list(numpy.clip(apart, lowest, max(lowest, highest - offsets[-1])) + offsets)
