"""The task: training cubes of every class, below a slice of a test volume and its mask, if there is one.

With a volume, a cube's class is that of its centre voxel, which the figure marks.
"""

from collections.abc import Mapping, Sequence

import numpy
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from widthwise.figures.layout import explain, title
from widthwise.figures.style import BACKGROUND_CLASS, FOREGROUND_CLASS
from widthwise.study.plan import Study

IMAGES_PER_CLASS = 6
MOST_ROWS = 12
WIDTH = 7.2  # inches
CENTRES = (
    {"marker": "o", "markeredgecolor": BACKGROUND_CLASS},
    {"marker": "s", "markeredgecolor": FOREGROUND_CLASS},
)
CENTRE = {"markersize": 6, "markerfacecolor": "none", "markeredgewidth": 1.6, "linestyle": "none"}


def draw(study: Study, images: Mapping[str, numpy.ndarray], summary: dict) -> Figure:
    """Draws the middle slices of the first training images of each class, one row per class, and the volume.

    `images` are a dataset's arrays, `summary` what its JSON file says.
    """
    classes, side = len(summary["class_counts"]["train"]), images["train/images"].shape[-1]
    rows = min(classes, MOST_ROWS)
    if "volume/mask" not in images or classes > 2:
        figure = pyplot.figure(figsize=(WIDTH, 0.9 + 1.2 * rows), layout="constrained")
        draw_images(figure, images, [f"class {label}" for label in range(rows)])
        title(figure, f"The task: which of {classes} classes is it?")
        note = f"Middle slices of training images, {side} voxels a side"
        explain(figure, note + (f"; the first {rows} of {classes} classes." if rows < classes else "."))
        return figure
    figure = pyplot.figure(figsize=(WIDTH, 7.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.35, 1])
    draw_volume(upper, images)
    grid = draw_images(lower, images, ["background\n(class 0)", "foreground\n(class 1)"])
    for label, (row, look) in enumerate(zip(grid, CENTRES, strict=True)):
        for axes in row[: summary["class_counts"]["train"][label]]:
            axes.plot(side // 2, side // 2, **CENTRE, **look)
    title(figure, "The task: does the centre voxel of a cube lie in the foreground?")
    explain(
        figure,
        f"Above: a slice of a test volume with the outline of a cube of {side} voxels a side, and its mask. Below: "
        "middle slices of training cubes.",
        [
            pyplot.Line2D([], [], **CENTRE, **look, label=f"centre voxel: {name}")
            for name, look in zip(("background", "foreground"), CENTRES, strict=True)
        ],
    )
    return figure


def draw_volume(figure: SubFigure, dataset: Mapping[str, numpy.ndarray]) -> None:
    """Draws the volume's middle slice with the outline of a cube, and its mask."""
    mask, side = dataset["volume/mask"], dataset["train/images"].shape[-1]
    image = middle_slice(dataset["volume/image"])
    volume_axes, mask_axes = figure.subplots(1, 2)
    show(volume_axes, image, grey_of(image))
    corner = [(length - side) / 2 - 0.5 for length in image.shape[::-1]]
    volume_axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=FOREGROUND_CLASS, linewidth=1.5))
    volume_axes.set_title("a slice of a test volume")
    show(mask_axes, middle_slice(mask), {"vmin": 0, "vmax": 1})
    mask_axes.set_title(f"its mask: foreground white, {mask.mean():.0%} of the volume")


def draw_images(
    figure: Figure | SubFigure, dataset: Mapping[str, numpy.ndarray], names: Sequence[str]
) -> numpy.ndarray:
    """Draws the first training images of each class, one row per class, and returns their axes."""
    grid = figure.subplots(len(names), IMAGES_PER_CLASS, squeeze=False)
    for label, (row, name) in enumerate(zip(grid, names, strict=True)):
        members = numpy.flatnonzero(dataset["train/labels"] == label)[:IMAGES_PER_CLASS]
        slices = [middle_slice(dataset["train/images"][index]) for index in members]
        for axes, image in zip(row, slices, strict=False):
            show(axes, image, grey_of(numpy.stack(slices)))
        for axes in row[len(members) :]:
            axes.set_axis_off()
        row[0].set_ylabel(name)
    return grid


def middle_slice(image: numpy.ndarray) -> numpy.ndarray:
    """Returns an image's middle along every axis except the last two; a line becomes an image of one row."""
    while image.ndim > 2:
        image = image[len(image) // 2]
    return numpy.atleast_2d(image)


def grey_of(images: numpy.ndarray) -> dict[str, float]:
    """Returns the values that are drawn black and white: all but the extreme hundredths lie between them."""
    lowest, highest = numpy.percentile(images, [1, 99])
    return {"vmin": lowest, "vmax": highest}


def show(axes: Axes, image: numpy.ndarray, limits: Mapping[str, float]) -> None:
    """Draws an image without a frame."""
    axes.imshow(image, cmap="gray", interpolation="nearest", **limits)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
