"""The as-posted task made visible: a held-out slice, its mask, and what networks of three sizes predict.

Reads tables/segmentation.npz. White is foreground; greys are the network's probability of it.
"""

import argparse
from pathlib import Path

import numpy
from matplotlib import pyplot

from widthwise.figures.style import FOREGROUND_CLASS, caption, figure_style, save
from widthwise.report.wording import size_label


def draw(found: dict[str, numpy.ndarray]) -> pyplot.Figure:
    """The slice, its mask, and a panel a network, smallest first, with the mask's outline."""
    figure, axes = pyplot.subplots(
        1, 2 + len(found["parameters"]), figsize=(2.3 * (2 + len(found["parameters"])), 3.1), layout="constrained"
    )
    limits = numpy.percentile(found["image"], [1, 99])
    axes[0].imshow(found["image"], cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes[0].set_title("held-out slice")
    axes[1].imshow(found["mask"], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes[1].set_title("its mask")
    axes[1].set_xlabel(f"{found['mask'].mean():.0%} foreground")
    for panel, foreground, parameters, accuracy in zip(
        axes[2:], found["foreground"], found["parameters"], found["accuracy"], strict=True
    ):
        panel.imshow(foreground, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.contour(found["mask"], levels=[0.5], colors=FOREGROUND_CLASS, linewidths=0.9)
        panel.set_title(f"{size_label(int(parameters))} parameters")
        panel.set_xlabel(f"{accuracy:.1%} of voxels right")
    for panel in axes:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    caption(
        figure,
        "Grey: probability of foreground, black 0 to white 1. Line: outline of the mask. First circumstance and seed.",
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True, help="tables/segmentation.npz")
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help=".svg, .pdf, .png to write: any")
    arguments = parser.parse_args()
    with numpy.load(arguments.predictions) as found, figure_style():
        save(draw(dict(found)), arguments.figures)


if __name__ == "__main__":
    main()
