"""How figures look: one look for all, sizes in an order that survives greyscale, labels beside their lines.

Styles are applied within a context, never globally. It must not know tables, files or what a figure says.
"""

from collections.abc import Iterator, Sequence
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

# The question's own colours, red for the smallest to black for the largest, with lightness falling all the way.
SIZES = LinearSegmentedColormap.from_list("sizes", ["#ff7a5c", "#e3211c", "#8c0b12", "#3a0508", "#000000"])
BACKGROUND_CLASS, FOREGROUND_CLASS = "#0072b2", "#e69f00"

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


def size_colours(parameters: Sequence[int]) -> dict[int, tuple]:
    """A colour for each parameter count: by rank, the smallest red, the largest black."""
    ordered = sorted(set(parameters))
    return {count: SIZES(rank) for count, rank in zip(ordered, numpy.linspace(0, 1, len(ordered)), strict=True)}


def size_label(parameters: int) -> str:
    """A parameter count as people read it: 15.7 k, 2.61 M."""
    for divisor, unit in ((1e6, " M"), (1e3, " k")):
        if parameters >= divisor:
            return f"{parameters / divisor:.3g}{unit}"
    return str(parameters)


def circumstance_label(name: str) -> str:
    """A circumstance's name as a title."""
    return name.replace("_", " ")


def label_lines(axes: Axes, ends: dict[str, tuple[float, tuple]], points: float = 10) -> None:
    """Writes each line's label right of the axes at its end, shifted so that none overlap.

    `ends` maps a label to the line's last y value and its colour; `points` is a label's height. To be called
    when the axes have their final limits and size.
    """
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
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
        )


def spread(positions: Sequence[float], gap: float, lowest: float, highest: float) -> list[float]:
    """Ascending positions moved as little as their order allows: neighbours at least `gap` apart, all within
    `lowest` and `highest` as far as there is room.

    Isotonic regression: with i * gap taken off, "at least a gap apart" reads "not falling".
    """
    offsets = gap * numpy.arange(len(positions))
    apart = isotonic_regression(numpy.asarray(positions) - offsets).x
    return list(numpy.clip(apart, lowest, max(lowest, highest - offsets[-1])) + offsets)
