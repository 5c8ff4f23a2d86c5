"""The task made visible: training cubes of every class, below a slice of a test volume and its mask, if there is one.

Reads dataset.h5. With a volume, a cube's class is that of its centre voxel, which the figure marks.
"""

import argparse
import json
from pathlib import Path

import numpy
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from widthwise.data.storage import Arrays, read_dataset
from widthwise.figures.style import BACKGROUND_CLASS, FOREGROUND_CLASS, figure_style, save

CUBES_A_CLASS = 6
MOST_ROWS = 12


def draw(arrays: Arrays) -> pyplot.Figure:
    """Top, if there is a volume: its middle slice and its mask. Below: the middle slice of cubes, a row a class."""
    if "volume/mask" in arrays:
        figure = pyplot.figure(figsize=(7.2, 6.6), layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=[1.35, 1])
        grey = grey_of(arrays["volume/image"])
        draw_volume(upper, arrays, grey)
        grid = draw_cubes(lower, arrays, grey)
        side = arrays["train/images"].shape[-1]
        colours, names = (BACKGROUND_CLASS, FOREGROUND_CLASS), ("background", "foreground")
        for label, (row, colour, name) in enumerate(zip(grid, colours, names, strict=False)):
            row[0].set_ylabel(f"{name}\n(class {label})", color=colour)
            for axes in row[: (arrays["train/labels"] == label).sum()]:
                axes.plot(side // 2, side // 2, marker="os"[label], markersize=6, markerfacecolor="none",
                          markeredgecolor=colour, markeredgewidth=1.6)  # fmt: skip
        lower.suptitle("middle slices of training cubes, their centre voxel marked")
        return figure
    classes = int(arrays["train/labels"].max()) + 1
    rows = min(classes, MOST_ROWS)
    figure = pyplot.figure(figsize=(7.2, 0.5 + 1.2 * rows), layout="constrained")
    draw_cubes(figure, arrays, grey_of(arrays["train/images"][: CUBES_A_CLASS * rows]))
    side = arrays["train/images"].shape[-1]
    of_all = f", the first {rows} of {classes} classes" if rows < classes else ""
    figure.suptitle(f"middle slices of training cubes, {side} voxels a side{of_all}")
    return figure


def grey_of(images: numpy.ndarray) -> dict:
    """How voxels are shown: black to white over all but the extreme ones of `images`."""
    lowest, highest = numpy.percentile(images, [1, 99])
    return {"cmap": "gray", "vmin": lowest, "vmax": highest, "interpolation": "nearest"}


def draw_volume(figure: SubFigure, arrays: Arrays, grey: dict) -> None:
    """The volume's middle slice with the outline of a cube, and its mask."""
    image, mask = arrays["volume/image"], arrays["volume/mask"]
    middle, side = len(image) // 2, arrays["train/images"].shape[-1]
    volume_axes, mask_axes = figure.subplots(1, 2)
    volume_axes.imshow(image[middle], **grey)
    corners = [(length - side) / 2 - 0.5 for length in image.shape[:0:-1]]
    volume_axes.add_patch(pyplot.Rectangle(corners, side, side, fill=False, edgecolor=FOREGROUND_CLASS, linewidth=1.5))
    volume_axes.set_title("a slice of a test volume")
    volume_axes.set_xlabel(f"box: the size of a cube, {side} voxels a side")
    mask_axes.imshow(mask[middle], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    mask_axes.set_title("its mask")
    mask_axes.set_xlabel(f"white: foreground, {mask.mean():.0%} of the volume")
    without_frame(volume_axes, mask_axes)


def draw_cubes(figure: Figure | SubFigure, arrays: Arrays, grey: dict) -> numpy.ndarray:
    """The middle slice of the first training cubes of each class, a row a class; returns the axes."""
    cubes, labels = arrays["train/images"], arrays["train/labels"]
    grid = figure.subplots(min(int(labels.max()) + 1, MOST_ROWS), CUBES_A_CLASS, squeeze=False)
    for label, row in enumerate(grid):
        members = numpy.flatnonzero(labels == label)
        for axes, index in zip(row, members[:CUBES_A_CLASS], strict=False):
            axes.imshow(cubes[index][len(cubes[index]) // 2], **grey)
        for axes in row[len(members) :]:
            axes.set_axis_off()
        row[0].set_ylabel(f"class {label}")
    without_frame(*grid.flat)
    return grid


def without_frame(*panels: Axes) -> None:
    """Leaves only the image."""
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5")
    parser.add_argument("--summary", type=Path, required=True, help="dataset.json")
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help=".svg, .pdf, .png to write: any")
    arguments = parser.parse_args()
    digest = json.loads(arguments.summary.read_text(encoding="utf-8"))["digest"]
    with figure_style():
        save(draw(read_dataset(arguments.dataset, digest)), arguments.figures)


if __name__ == "__main__":
    main()
