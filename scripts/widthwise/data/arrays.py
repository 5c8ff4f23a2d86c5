"""A user's own labelled cubes: checked, standardised and in our layout, in pieces.

The file is HDF5 of our layout (see `storage`), but without the axis of channels, or an .npz as MedMNIST's:
`train_images` (n, side, side, side), `train_labels` (n,) or (n, 1), and the same for `test`. `volume` is optional,
`val` is not used. Images of uint8 are standardised by the mean and standard deviation of all training voxels.
Floating-point images stay as they are. Labels go from 0 to classes - 1.

Every fault is a DataError.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy

from widthwise.data.formats import TEXT_REMEDY, ArrayFile, open_arrays
from widthwise.data.storage import Pieces

SIDES = range(8, 65)
MOST_CLASSES = 256  # labels are stored as uint8
GREATEST = 1e18  # float32 holds the square
SPLITS = ("train", "test")
VOLUME = ("volume/image", "volume/mask")


@dataclass(frozen=True)
class Statistics:
    """Of all voxels of the training images, as the file has them."""

    mean: float
    standard_deviation: float
    least: float
    greatest: float

    @property
    def near_standardised(self) -> bool:
        """Whether networks can be expected to train on such numbers."""
        return abs(self.mean) <= 10 and 0.01 <= self.standard_deviation <= 100


@dataclass(frozen=True)
class OwnData:
    """What `storage.write_dataset` writes, and what was measured.

    Attributes:
        arrays: by their names in our layout.
        class_counts: of each split, the cubes of each class.
        cube_side: voxels a side.
        statistics: of the training images before scaling.
        scaling: mean and standard deviation that uint8 images are standardised by; None for floating-point images.
    """

    arrays: dict[str, numpy.ndarray | Pieces]
    class_counts: dict[str, list[int]]
    cube_side: int
    statistics: Statistics
    scaling: dict[str, float] | None


def read_own_data(path: Path) -> OwnData:
    """Checks a file, and measures its training images. Other images are checked when they are read."""
    file = open_arrays(path)
    images = {split: split_images(file, f"{split}/images") for split in SPLITS}
    train = images["train"]
    check_alike(file, images["test"], train)
    labels = {split: split_labels(file, f"{split}/labels", images[split].shape[0]) for split in SPLITS}
    classes = count_classes(file, labels)
    volume = volume_and_mask(file, train) if any(map(file.has, VOLUME)) else None
    statistics = measure(train)
    if statistics.least == statistics.greatest:
        raise file.error("train/images", f"is {statistics.least:g} in every voxel: save images that vary")
    scaling = None
    if train.dtype == numpy.uint8:
        scaling = {"mean": statistics.mean, "standard_deviation": statistics.standard_deviation}
    arrays: dict[str, numpy.ndarray | Pieces] = {}
    for split in SPLITS:
        arrays[f"{split}/images"] = with_channel(scaled(images[split], scaling))
        arrays[f"{split}/labels"] = labels[split]
    if volume:
        arrays |= {VOLUME[0]: scaled(volume[0], scaling), VOLUME[1]: volume[1]}
    counts = {split: numpy.bincount(labels[split], minlength=classes).tolist() for split in SPLITS}
    return OwnData(arrays, counts, train.shape[-1], statistics, scaling)


# Arrays by their role


def split_images(file: ArrayFile, name: str) -> Pieces:
    """Returns a split's cubes (n, side, side, side), as `checked_numbers` does."""
    images = checked_numbers(file, name)
    fault = shape_fault(images.shape)
    if fault:
        raise file.error(name, fault)
    if images.shape[0] < 2:
        raise file.error(name, f"has {images.shape[0]} cubes: save at least 2")
    return images


def shape_fault(shape: tuple[int, ...]) -> str | None:
    """Returns why images of this shape are no cubes, and the remedy; None if they are."""
    if len(shape) == 5 and 1 in (shape[1], shape[4]):
        return (
            f"has shape {shape}: take out the axis of channels with `images[{':, 0' if shape[1] == 1 else '..., 0'}]`"
        )
    if len(shape) != 4:
        return f"has shape {shape}: save it as (n, side, side, side), one channel in three dimensions"
    first, *_, last = shape
    if len(set(shape[1:])) == 1 and last in SIDES:
        return None
    if len(set(shape[:3])) == 1 and first in SIDES:
        return f"has shape {shape}, n last as MATLAB has it: reverse the axes, with `images.T` in numpy"
    if last in (3, 4):
        return f"has shape {shape}, which are flat images in colour: save cubes, (n, side, side, side)"
    return (
        f"has cubes of {' x '.join(map(str, shape[1:]))} voxels: cut or pad them to three equal sides of "
        f"{SIDES[0]} to {SIDES[-1]}"
    )


def check_alike(file: ArrayFile, test: Pieces, train: Pieces) -> None:
    """Checks that test images have the type and the side of training images."""
    check_types(file, "test/images", test, train)
    if test.shape[1:] != train.shape[1:]:
        raise file.error(
            "test/images",
            f"has sides of {test.shape[-1]} voxels, the training images of {train.shape[-1]}: cut both to one side",
        )


def check_types(file: ArrayFile, name: str, images: Pieces, train: Pieces) -> None:
    """Checks that images are uint8 if training images are, and floating point otherwise."""
    if images.dtype != train.dtype:
        kinds = ["uint8" if array.dtype == numpy.uint8 else "floating point" for array in (images, train)]
        raise file.error(name, f"is {kinds[0]}, the training images are {kinds[1]}: save both as one type")


def split_labels(file: ArrayFile, name: str, count: int) -> numpy.ndarray:
    """Returns a split's labels (count,) uint8."""
    labels = whole_numbers(file, name, MOST_CLASSES)
    if labels.shape == (1, count):
        raise file.error(name, f"has shape {labels.shape}, n last as MATLAB has it: save `labels.T`")
    if len(labels.shape) == 2 and labels.shape[1] > 1:
        raise file.error(
            name,
            f"has shape {labels.shape}: save one class per cube, `labels.argmax(axis=1)` if each row has one 1",
        )
    if labels.shape[1:] not in ((), (1,)) or not labels.shape:
        raise file.error(name, f"has shape {labels.shape}: save it as (n,) or (n, 1)")
    if labels.shape[0] != count:
        raise file.error(name, f"has {labels.shape[0]} labels for {count} cubes: save one label for each cube")
    return numpy.concatenate(list(labels.read())).ravel()


def count_classes(file: ArrayFile, labels: dict[str, numpy.ndarray]) -> int:
    """Returns the number of classes. Each needs a training cube, and there must be at least two."""
    counts = numpy.bincount(labels["train"])
    present = numpy.flatnonzero(counts)
    if len(present) == 1:
        raise file.error("train/labels", f"has one class only, {present[0]}: save cubes of two or more")
    if len(present) == len(counts) - 1 and not counts[0]:
        raise file.error("train/labels", f"has classes 1 to {len(counts) - 1}: number them from 0, with `labels - 1`")
    if not counts.all():
        raise file.error(
            "train/labels",
            f"has no cube of class {counts.argmin()}, but of class {len(counts) - 1}: number classes from 0, "
            "without gaps",
        )
    greatest = labels["test"].max()
    if greatest >= len(counts):
        raise file.error("test/labels", f"has class {greatest}, training does not: save training cubes of it too")
    return len(counts)


def volume_and_mask(file: ArrayFile, train: Pieces) -> tuple[Pieces, Pieces]:
    """Returns a volume and its mask of 0 and 1."""
    image, mask = checked_numbers(file, VOLUME[0]), whole_numbers(file, VOLUME[1], 2)
    check_types(file, VOLUME[0], image, train)
    side = train.shape[-1]
    if len(image.shape) != 3 or min(image.shape) < side:
        raise file.error(
            VOLUME[0], f"has shape {image.shape}: save it as (depth, height, width), each at least {side} voxels"
        )
    if mask.shape != image.shape:
        raise file.error(VOLUME[1], f"has shape {mask.shape}: save it with the volume's, {image.shape}")
    return image, mask


# Numbers, in pieces


def checked_numbers(file: ArrayFile, name: str) -> Pieces:
    """Returns images: uint8 as they are; floating point as float32, checked to be finite and to have finite squares."""
    array = file.array(name)
    if array.dtype == numpy.uint8:
        return array
    if array.dtype.kind != "f":
        raise file.error(name, f"holds {array.dtype}: convert with `.astype('float32')`")

    def read() -> Iterator[numpy.ndarray]:
        start = 0
        for piece in array.read():
            with numpy.errstate(over="ignore"):
                numbers = piece.astype(numpy.float32)
            wrong = ~(numpy.abs(numbers) <= GREATEST)
            if wrong.any():
                place = numpy.unravel_index(wrong.argmax(), wrong.shape)
                remedy = "rescale the images" if numpy.isfinite(piece[place]) else "replace it with a finite number"
                raise file.error(name, f"holds {piece[place]:g} in entry {start + place[0]}: {remedy}")
            yield numbers
            start += len(piece)

    return Pieces(array.shape, numpy.dtype(numpy.float32), read)


def whole_numbers(file: ArrayFile, name: str, below: int) -> Pieces:
    """Returns an array as uint8, checked to be whole numbers from 0 to `below` - 1."""
    array = file.array(name)
    if array.dtype.kind in "SUT":
        raise file.error(name, f"holds text: {TEXT_REMEDY}")
    if array.dtype.kind not in "biuf":
        raise file.error(name, f"holds {array.dtype}: save whole numbers")

    def read() -> Iterator[numpy.ndarray]:
        for piece in array.read():
            wrong = piece[~((piece >= 0) & (piece < below) & (piece == numpy.floor(piece)))]
            if wrong.size:
                raise file.error(name, f"holds {wrong[0]}: save whole numbers from 0 to {below - 1}")
            yield piece.astype(numpy.uint8)

    return Pieces(array.shape, numpy.dtype(numpy.uint8), read)


def scaled(images: Pieces, scaling: dict[str, float] | None) -> Pieces:
    """Returns the images as float32, standardised if there is a scaling."""
    if scaling is None:
        return images
    every = (numpy.arange(256) - scaling["mean"]) / scaling["standard_deviation"]
    table = every.astype(numpy.float32)
    return Pieces(images.shape, table.dtype, lambda: (table[piece] for piece in images.read()))


def with_channel(images: Pieces) -> Pieces:
    """Returns the images with an axis of one channel after the first."""
    shape = (images.shape[0], 1, *images.shape[1:])
    return Pieces(shape, images.dtype, lambda: (piece[:, None] for piece in images.read()))


def measure(images: Pieces) -> Statistics:
    """Measures all voxels in one pass: uint8 exactly, floating-point numbers in float64."""
    if images.dtype == numpy.uint8:
        counts = sum(numpy.bincount(piece.ravel(), minlength=256) for piece in images.read())
        values = numpy.arange(256)
        mean = float(counts @ values / counts.sum())
        deviation = math.sqrt(counts @ (values - mean) ** 2 / counts.sum())
        present = numpy.flatnonzero(counts)
        return Statistics(mean, deviation, float(present[0]), float(present[-1]))
    count, mean, squares, least, greatest = 0, 0.0, 0.0, math.inf, -math.inf
    for piece in images.read():
        # Chan's update: joins count, mean and sum of squared deviations of two parts.
        step = piece.mean(dtype=numpy.float64) - mean
        total = count + piece.size
        squares += piece.var(dtype=numpy.float64) * piece.size + step**2 * count * piece.size / total
        mean += step * piece.size / total
        count, least, greatest = total, min(least, piece.min()), max(greatest, piece.max())
    return Statistics(float(mean), math.sqrt(squares / count), float(least), float(greatest))
