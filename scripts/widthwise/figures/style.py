"""The look of the figures: settings of matplotlib, styles of lines, images, and how a figure is saved.

The look applies within `figure_style`, never globally.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from widthwise.files import atomic_write

SMALL = 8  # points, of the smallest text
GREY = "#555555"
BACKGROUND_CLASS, FOREGROUND_CLASS = "#0072b2", "#e69f00"

MEASURE_STYLES = {
    "objective": {"color": "#000000", "linestyle": "-", "marker": "o", "markersize": 4},
    "data_loss": {
        "color": "#0072b2", "linestyle": "--", "marker": "s", "markersize": 4, "markerfacecolor": "white",
    },
}  # fmt: skip

# Dark enough on white, and distinguishable by the colour-blind. The three lists have lengths without a common factor,
# so that their combinations repeat only after 8 x 5 x 7 series.
SERIES_COLOURS = ("#d55e00", "#0072b2", "#000000", "#009e73", "#cc79a7", "#56b4e9", "#8c6d1f", "#7f7f7f")
SERIES_LINES = ("-", "--", ":", "-.", (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)))
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "*")

RC = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "svg.hashsalt": "widthwise",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Applies the look while a figure is drawn."""
    with pyplot.rc_context(RC):
        yield


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Writes the figure to each path, in the format of its ending. The same figure gives the same bytes."""
    for path in paths:
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
        content = io.BytesIO()  # on a full disk, savefig itself may raise an AttributeError
        figure.savefig(content, format=path.suffix[1:], metadata=metadata)
        if path.suffix == ".png":
            content = reduce_colours(content)
        elif path.suffix == ".svg":
            content = shorten_paths(content)
        with atomic_write(path) as temporary:
            temporary.write_bytes(content.getvalue())
    pyplot.close(figure)


def reduce_colours(picture: io.BytesIO) -> io.BytesIO:
    """The same PNG in at most 256 colours: a third of the bytes for most figures, and no difference that one sees."""
    content = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(dither=Image.Dither.NONE).save(
            content, format="png", optimize=True, dpi=image.info["dpi"]
        )
    return content


def shorten_paths(drawing: io.BytesIO) -> io.BytesIO:
    """The same SVG, its paths in hundredths of a point instead of millionths: a quarter less for a page of curves."""
    return io.BytesIO(re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), drawing.getvalue()))


def grey_limits(values: numpy.ndarray) -> tuple[float, float]:
    """Returns the values that are drawn black and white: all but the extreme hundredths lie between them."""
    lowest, highest = numpy.percentile(values, [1, 99])
    return float(lowest), float(highest)


def show_image(axes: Axes, image: numpy.ndarray, limits: tuple[float, float]) -> None:
    """Draws an image in a thin frame: grey values between the limits, or colours."""
    axes.imshow(image, cmap="gray", interpolation="nearest", vmin=limits[0], vmax=limits[1])
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GREY, linewidth=0.5)


def series_styles(count: int) -> list[dict]:
    """Returns `count` styles of lines that differ in colour, line and marker; up to 280 are different."""
    return [
        {
            "color": SERIES_COLOURS[place % len(SERIES_COLOURS)],
            "linestyle": SERIES_LINES[place % len(SERIES_LINES)],
            "marker": SERIES_MARKERS[place % len(SERIES_MARKERS)],
            "markersize": 5,
        }
        for place in range(count)
    ]
