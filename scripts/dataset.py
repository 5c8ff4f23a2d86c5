"""The task made visible: a slice of a test volume, its mask, and training cubes of both classes.

Reads dataset.h5. A cube's class is that of its centre voxel, which the figure marks.
"""

import argparse
import json
from pathlib import Path

import numpy
from matplotlib import pyplot

from widthwise.storage import Arrays, read_dataset
from widthwise.style import BACKGROUND_CLASS, FOREGROUND_CLASS, figure_style, save

CUBES_A_CLASS = 6


def draw(arrays: Arrays) -> pyplot.Figure:
    """Top: the volume's middle slice and its mask. Below: the middle slice of cubes, a row a class."""
    figure = pyplot.figure(figsize=(7.2, 6.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.35, 1])
    image, mask = arrays["volume/image"], arrays["volume/mask"]
    middle = len(image) // 2
    cubes, labels = arrays["train/images"], arrays["train/labels"]
    limits = numpy.percentile(image, [1, 99])
    grey = {"cmap": "gray", "vmin": limits[0], "vmax": limits[1], "interpolation": "nearest"}

    volume_axes, mask_axes = upper.subplots(1, 2)
    volume_axes.imshow(image[middle], **grey)
    side = cubes.shape[1]
    corner = (len(image) - side) / 2 - 0.5
    volume_axes.add_patch(
        pyplot.Rectangle((corner, corner), side, side, fill=False, edgecolor=FOREGROUND_CLASS, linewidth=1.5)
    )
    volume_axes.set_title("a slice of a test volume")
    volume_axes.set_xlabel(f"box: the size of a cube, {side} voxels a side")
    mask_axes.imshow(mask[middle], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    mask_axes.set_title("its mask")
    mask_axes.set_xlabel(f"white: foreground, {mask.mean():.0%} of the volume")

    grid = lower.subplots(2, CUBES_A_CLASS, squeeze=False)
    for label, (row, colour, name) in enumerate(
        zip(grid, (BACKGROUND_CLASS, FOREGROUND_CLASS), ("background", "foreground"), strict=True)
    ):
        members = numpy.flatnonzero(labels == label)
        for axes, index in zip(row, members[:CUBES_A_CLASS], strict=False):
            axes.imshow(cubes[index][side // 2], **grey)
            axes.plot(side // 2, side // 2, marker="os"[label], markersize=6, markerfacecolor="none",
                      markeredgecolor=colour, markeredgewidth=1.6)  # fmt: skip
        for axes in row[len(members) :]:
            axes.set_axis_off()
        row[0].set_ylabel(f"{name}\n(class {label})", color=colour)
    lower.suptitle("middle slices of training cubes, their centre voxel marked")
    for axes in (volume_axes, mask_axes, *grid.flat):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


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
