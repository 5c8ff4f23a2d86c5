"""Labels of lines, right of the axes and beside the lines' ends, which never overlap."""

from collections.abc import Mapping, Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from widthwise.figures.style import SMALL

HEIGHT = 10  # points, of a label


def label_lines(figure: Figure, ends: Mapping[Axes, Mapping[str, tuple[float, str]]]) -> None:
    """Writes each line's label right of its axes, moved so that none overlap; to be called last of all.

    Args:
        figure: the figure.
        ends: for each axes the labels, and for each label its line's last y value and colour.
    """
    figure.draw_without_rendering()
    for axes, labels in ends.items():
        if labels:
            _label_lines_of(axes, labels)


def _label_lines_of(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Labels one axes, which has its final limits and size."""
    to_display = axes.transData.transform
    to_axes = axes.transAxes.inverted().transform
    right, bottom, top = axes.bbox.x1, axes.bbox.y0, axes.bbox.y1
    points = axes.get_figure(root=True).dpi / 72
    ordered = sorted(ends.items(), key=lambda item: item[1][0])
    heights = [float(numpy.clip(to_display((1, y))[1], bottom, top)) for _, (y, _) in ordered]
    placed = spread(heights, HEIGHT * points, bottom, top)
    for (label, (_, colour)), height, position in zip(ordered, heights, placed, strict=True):
        axes.annotate(
            label,
            xy=to_axes((right, height)),
            xytext=to_axes((right + 9 * points, position)),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=SMALL,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 1.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def spread(positions: Sequence[float], gap: float, lowest: float, highest: float) -> list[float]:
    """Moves ascending positions as little as their order allows.

    Args:
        positions: where the labels would be.
        gap: the least distance of neighbours.
        lowest: the least position.
        highest: the largest position, kept if there is room.

    Returns:
        The new positions.
    """
    # With i * gap taken off, "at least a gap apart" becomes "not falling", which isotonic regression gives.
    offsets = gap * numpy.arange(len(positions))
    apart = isotonic_regression(numpy.asarray(positions) - offsets).x
    return list(numpy.clip(apart, lowest, max(lowest, highest - offsets[-1])) + offsets)
