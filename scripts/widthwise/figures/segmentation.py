"""A held-out slice, and the probability of foreground that the smallest, a middle and the largest network give each
voxel.

It shows what was learned in one run each. It does not measure it: the question is about the training loss.
"""

import numpy
from matplotlib import pyplot
from matplotlib.figure import Figure

from widthwise.figures.layout import WIDTH, explain, title
from widthwise.figures.style import FOREGROUND_CLASS, GREY
from widthwise.report.wording import number, size_label
from widthwise.study.plan import Study

MASK_GREY = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}


def draw(study: Study, predictions: dict[str, numpy.ndarray]) -> Figure:
    """Draws the slice, its mask, and one panel per network, smallest first, with the mask's outline."""
    labels = [size_label(int(count)) for count in predictions["parameters"]]
    scores, trivial = predictions["dice"], float(predictions["trivial_dice"])
    figure, panels = pyplot.subplots(1, 2 + len(labels), figsize=(WIDTH, 3.4), layout="constrained")
    title(
        figure,
        f"On a held-out slice the largest network's Dice is {number(scores[-1], 2)}, the smallest's "
        f"{number(scores[0], 2)}, and {number(trivial, 2)} if every voxel is called foreground",
    )
    lowest, highest = numpy.percentile(predictions["image"], [1, 99])
    panels[0].imshow(predictions["image"], cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
    panels[0].set_title("held-out slice")
    panels[1].imshow(predictions["mask"], **MASK_GREY)
    panels[1].set_title("its mask")
    panels[1].set_xlabel(f"{predictions['mask'].mean():.0%} foreground")
    for axes, foreground, label, score in zip(panels[2:], predictions["foreground"], labels, scores, strict=True):
        axes.imshow(foreground, **MASK_GREY)
        if predictions["mask"].any() and not predictions["mask"].all():
            axes.contour(predictions["mask"], levels=[0.5], colors=FOREGROUND_CLASS, linewidths=0.9)
        axes.set_title(f"{label} parameters")
        axes.set_xlabel(f"Dice {number(score, 2)}")
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color=GREY, linewidth=0.5)
    explain(
        figure,
        "Right: probability of foreground, black 0 to white 1, and the outline of the mask. Dice: overlap of the mask "
        f"with where that is above 0.5, from 0 to 1. One run of each size: {study.title(study.judged[0])}, "
        f"seed {study.seeds[0]}.",
    )
    return figure
