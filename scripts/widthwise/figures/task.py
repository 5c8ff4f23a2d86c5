"""Training images of each class and, for synthetic data, a slice of a held-out volume with its mask.

A cube has the class of its centre voxel. The picture shows the first dataset; each seed of a synthetic study draws its
own. Losses on other data, or on harder data, do not compare with these.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from widthwise.figures.layout import explain, title
from widthwise.figures.style import BACKGROUND_CLASS, FOREGROUND_CLASS, SERIES_COLOURS, grey_limits, show_image
from widthwise.study.plan import Study

SAMPLES_PER_CLASS = 6
MOST_ROWS = 12
MOST_LINES = 4  # channels of a sample with one spatial axis
NAME_CHARACTERS = 16
WIDTH = 7.2  # inches
CENTRES = (
    {"marker": "o", "markeredgecolor": BACKGROUND_CLASS},
    {"marker": "s", "markeredgecolor": FOREGROUND_CLASS},
)
CENTRE = {"markersize": 6, "markerfacecolor": "none", "markeredgewidth": 1.6, "linestyle": "none"}


def draw(study: Study, images: Mapping[str, numpy.ndarray], summary: dict) -> Figure:
    """Draws the first training samples of each class, one row per class, and the volume.

    `images` are a dataset's arrays, `summary` what its JSON file says.
    """
    counts = summary["class_counts"]["train"]
    classes = summary.get("classes") or map(str, range(len(counts)))
    names = [name if name[:1].isalpha() else f"class {name}" for name in classes]
    shape = images["train/images"].shape[1:]
    if "volume/mask" in images and len(counts) == 2:
        return draw_segmentation(images, counts)
    rows = min(len(counts), MOST_ROWS)
    figure = pyplot.figure(figsize=(WIDTH, 0.9 + 1.2 * rows), layout="constrained")
    draw_samples(figure, images, names[:rows], summary.get("scaling"))
    title(figure, f"The task: which of {len(counts)} classes is it?")
    shown = f"; the first {rows} of {len(counts)} classes" if rows < len(counts) else ""
    explain(figure, f"{what_is_shown(shape)}{shown}.")
    return figure


def draw_segmentation(images: Mapping[str, numpy.ndarray], counts: Sequence[int]) -> Figure:
    """Draws a volume with its mask, and cubes of both classes with their centres."""
    shape = images["train/images"].shape[2:]
    figure = pyplot.figure(figsize=(WIDTH, 7.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.35, 1])
    draw_volume(upper, images)
    grid = draw_samples(lower, images, ["background\n(class 0)", "foreground\n(class 1)"])
    for label, (row, look) in enumerate(zip(grid, CENTRES, strict=True)):
        for axes in row[: counts[label]]:
            axes.plot(shape[-1] // 2, shape[-2] // 2, **CENTRE, **look)
    title(figure, "The task: does the centre voxel of a cube lie in the foreground?")
    explain(
        figure,
        f"Above: a slice of a test volume with the outline of a cube of {size_text(shape)} voxels, and its mask. "
        "Below: middle slices of training cubes.",
        [
            pyplot.Line2D([], [], **CENTRE, **look, label=f"centre voxel: {name}")
            for name, look in zip(("background", "foreground"), CENTRES, strict=True)
        ],
    )
    return figure


def what_is_shown(shape: Sequence[int]) -> str:
    """Says what is drawn of samples with this shape, (channels, *spatial)."""
    channels, *sides = shape
    if len(sides) == 1:
        shown = f"{MOST_LINES} of {channels}" if channels > MOST_LINES else channels
        return f"Training samples of {sides[0]} values" + (f", {shown} channels" if channels > 1 else "")
    part = "Training images" if len(sides) == 2 else "Middle slices of training volumes"
    colours = {1: "", 3: " in colour", 4: ", the first 3 of 4 channels as colours"}
    return f"{part}, {size_text(sides)}{colours.get(channels, f', the first of {channels} channels')}"


def size_text(sides: Sequence[int]) -> str:
    """Returns sides as in "28 x 28"."""
    return " x ".join(map(str, sides))


def draw_volume(figure: SubFigure, dataset: Mapping[str, numpy.ndarray]) -> None:
    """Draws the volume's middle slice with the outline of a cube, and its mask."""
    mask, (height, width) = dataset["volume/mask"], dataset["train/images"].shape[-2:]
    image = middle_slice(dataset["volume/image"])
    volume_axes, mask_axes = figure.subplots(1, 2)
    show_image(volume_axes, image, grey_limits(image))
    corner = [(image.shape[1] - width) / 2 - 0.5, (image.shape[0] - height) / 2 - 0.5]
    volume_axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=FOREGROUND_CLASS, linewidth=1.5))
    volume_axes.set_title("a slice of a test volume")
    show_image(mask_axes, middle_slice(mask), (0, 1))
    mask_axes.set_title(f"its mask: foreground white, {mask.mean():.0%} of the volume")


def draw_samples(
    figure: Figure | SubFigure,
    dataset: Mapping[str, numpy.ndarray],
    names: Sequence[str],
    scaling: Mapping[str, Sequence[float]] | None = None,
) -> numpy.ndarray:
    """Draws the first training samples of each class, one row per class, and returns their axes.

    With a scaling, samples are drawn as they were before they were standardised: colours are those of the file.
    """
    grid = figure.subplots(len(names), SAMPLES_PER_CLASS, squeeze=False)
    for label, (row, name) in enumerate(zip(grid, names, strict=True)):
        members = numpy.flatnonzero(dataset["train/labels"] == label)[:SAMPLES_PER_CLASS]
        samples = numpy.array([middle_slice(dataset["train/images"][index], axes=3) for index in members])
        if scaling:
            mean, deviation = (
                numpy.reshape(scaling[key], (-1, *[1] * (samples.ndim - 2))) for key in ("mean", "standard_deviation")
            )
            samples = samples * deviation + mean
        for axes, sample in zip(row, samples, strict=False):
            if sample.ndim == 2:
                draw_lines(axes, sample, (samples.min(), samples.max()))
            else:
                show_image(axes, colours_of(sample, grey_limits(samples)), grey_limits(samples))
        for axes in row[len(members) :]:
            axes.set_axis_off()
        row[0].set_ylabel("\n".join(textwrap.wrap(name, NAME_CHARACTERS)[:3]), parse_math=False)
    return grid


def middle_slice(image: numpy.ndarray, axes: int = 2) -> numpy.ndarray:
    """Returns the middle of a volume along its first spatial axis. The last axes stay, as many as `axes`."""
    while image.ndim > axes:
        image = image.take(image.shape[-3] // 2, axis=-3)
    return image


def colours_of(sample: numpy.ndarray, limits: tuple[float, float]) -> numpy.ndarray:
    """Returns an image (channels, height, width) as grey values, or, of 3 or 4 channels, as colours."""
    if len(sample) not in (3, 4):
        return sample[0]
    lowest, highest = limits
    return numpy.clip((sample[:3] - lowest) / max(highest - lowest, 1e-30), 0, 1).transpose(1, 2, 0)


def draw_lines(axes: Axes, sample: numpy.ndarray, limits: tuple[float, float]) -> None:
    """Draws a sample with one spatial axis, a line for each channel."""
    for channel, colour in zip(sample[:MOST_LINES], SERIES_COLOURS, strict=False):
        axes.plot(channel, color=colour, linewidth=0.8, marker="." if len(channel) < 10 else None)
    margin = 0.05 * (limits[1] - limits[0]) or 1
    axes.set(xticks=[], yticks=[], ylim=(limits[0] - margin, limits[1] + margin))
    axes.grid(False)
