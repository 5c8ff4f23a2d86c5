"""A held-out slice, and the probability of foreground that the smallest, a middle and the largest network give each
voxel.

It shows what was learned in one run each. It does not measure it: the question is about the training loss.
"""

import numpy
from matplotlib import pyplot
from matplotlib.figure import Figure

from widthwise.figures.layout import WIDTH, explain, title
from widthwise.figures.style import FOREGROUND_CLASS, grey_limits, show_image
from widthwise.report.wording import number, size_label
from widthwise.study.plan import Study


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
    show_image(panels[0], predictions["image"], grey_limits(predictions["image"]))
    panels[0].set_title("held-out slice")
    show_image(panels[1], predictions["mask"], (0, 1))
    panels[1].set_title("its mask")
    panels[1].set_xlabel(f"{predictions['mask'].mean():.0%} foreground")
    for axes, foreground, label, score in zip(panels[2:], predictions["foreground"], labels, scores, strict=True):
        show_image(axes, foreground, (0, 1))
        if predictions["mask"].any() and not predictions["mask"].all():
            axes.contour(predictions["mask"], levels=[0.5], colors=FOREGROUND_CLASS, linewidths=0.9)
        axes.set_title(f"{label} parameters")
        axes.set_xlabel(f"Dice {number(score, 2)}")
    explain(
        figure,
        "Right: probability of foreground, black 0 to white 1, and the outline of the mask. Dice: overlap of the mask "
        f"with where that is above 0.5, from 0 to 1. One run of each size: {study.title(study.judged[0])}, "
        f"seed {study.seeds[0]}.",
    )
    return figure
