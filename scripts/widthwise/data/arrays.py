"""A user's own labelled images: checked, standardised and in our layout, in pieces.

Images are (n, *spatial), or with an axis of channels first or last, of 1 to 3 spatial axes. Each channel is
standardised by the mean and the standard deviation of all training images. `val` is the test split where there is no
`test`. A volume with its mask is optional.

Every fault is a SourceError.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy

from widthwise.data.formats import ArrayFile, HDF5Arrays, NpyFolder, NpzArrays, readable
from widthwise.data.images import ImageFiles
from widthwise.data.labels import read_labels
from widthwise.data.samples import LAYOUTS, SourceError, list_samples
from widthwise.data.storage import Pieces

GREATEST = 2.0**64  # float32 holds the square of all that is less; no integer type goes beyond
LEAST_DEVIATION = 1e-100  # float64 cannot hold the square of much less
MOST_CHANNELS = 4  # of an axis that looks like channels
SAMPLED = 2**16  # values of each channel that are looked at for fill values, about
# Smallest gap that marks a fill value, in standard deviations of the other values.
LEAST_GAP = 30
# Largest deviation, in the same unit, at which float32 still resolves the others.
MOST_DEVIATION = 1e6
VOLUME = ("volume/image", "volume/mask")
# Of log(classes): classes are called unbalanced where the entropy of the training labels is less.
BALANCED_SHARE = 0.95


@dataclass(frozen=True)
class Statistics:
    """Of a split's images as the file has them: an array each, with one number per channel.

    Attributes:
        sample: values of each channel, ascending, with the least and the greatest.
        images: number of images.
        constant_images: number of those all of whose values are the same.
    """

    mean: numpy.ndarray
    standard_deviation: numpy.ndarray
    least: numpy.ndarray
    greatest: numpy.ndarray
    sample: numpy.ndarray
    images: int
    constant_images: int

    @property
    def near_standardised(self) -> bool:
        """Whether networks can be expected to train on such numbers."""
        deviation = self.standard_deviation
        return bool(((abs(self.mean) <= 10) & (deviation >= 0.01) & (deviation <= 100)).all())

    def fill_values(self) -> Iterator[tuple[int, str, float]]:
        """Yields the channels that seem to have a fill value: which one, what it holds, and the others' spread.

        It is far from the values nearest to it, or farther from the mean than values are in any usual distribution.
        The others lie on one side of the widest gap between neighbours, the side that varies more. Their spread is the
        standard deviation. Where no side varies, as in a mask, there is no fill value.
        """
        for channel, (values, mean, deviation) in enumerate(
            zip(self.sample, self.mean, self.standard_deviation, strict=True)
        ):
            gaps = numpy.diff(values)
            place = int(gaps.argmax()) + 1
            others = max(values[:place], values[place:], key=numpy.std)
            spread = float(others.std())
            if gaps[place - 1] > LEAST_GAP * spread:
                extreme = values[0] if others[-1] == values[-1] else values[-1]
            else:
                others = values
                extreme = max(values[0], values[-1], key=lambda value: abs(value - mean))
                if abs(extreme - mean) <= LEAST_GAP * deviation:
                    continue
            if spread > 0:
                low, high = numpy.quantile(others, (0.25, 0.75))
                yield channel, f"{extreme:g}, while half of all others are {low:.4g} to {high:.4g}", spread


@dataclass(frozen=True)
class OwnData:
    """What `storage.write_dataset` writes, and what was measured.

    Attributes:
        arrays: by their names in our layout.
        shape: of a sample, (channels, *spatial).
        classes: names in the order of the labels.
        class_counts: of each split, the samples of each class.
        statistics: of the training images before scaling.
        scaling: mean and standard deviation of each channel, that images are standardised by; None if they are not.
        notes: lines for the log, on what was found.
    """

    arrays: dict[str, numpy.ndarray | Pieces]
    shape: tuple[int, ...]
    classes: list[str]
    class_counts: dict[str, list[int]]
    statistics: Statistics
    scaling: dict[str, list[float]] | None
    notes: list[str]


def open_arrays(path: Path, names: Mapping[str, str]) -> ArrayFile:
    """Returns the arrays of a file, folder or table, in the format that its content has."""
    with readable(path):
        samples = list_samples(path)
        if samples:
            if names:
                raise SourceError(f"{path} lists files, which need no names: leave out dataset.names")
            return ImageFiles(path, samples)
        if path.is_dir():
            return NpyFolder(path, names)
        path.open("rb").close()
        if h5py.is_hdf5(path):
            return HDF5Arrays(path, names)
        if is_npz(path):
            return NpzArrays(path, names)
    raise SourceError(
        f"{path} is neither HDF5, .npz nor a table with the ending .csv: save it with h5py or "
        f"`numpy.savez_compressed`, or give a folder with {LAYOUTS}; or it is damaged: copy it again"
    )


def is_npz(path: Path) -> bool:
    """Returns whether a file is a zip archive with arrays; files of torch and of Office are zip archives too."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".npy") for name in archive.namelist())


def read_own_data(
    path: Path, *, channels: str | None = None, standardise: bool = True, names: Mapping[str, str] | None = None
) -> OwnData:
    """Checks a user's data, and measures the images. A volume is checked when it is read.

    Args:
        path: a file, a folder or a table of files.
        channels: `none`, `first` or `last`: where samples have their channels. None: not said.
        standardise: whether images are standardised.
        names: what the file calls arrays, by their names in our layout.
    """
    file = open_arrays(path, names or {})
    splits = {"train": "train", "test": held_out_split(file)}
    raw, images, labels_of = {}, {}, {}
    for split, called in splits.items():
        raw[split], labels_of[split] = file.array(f"{called}/images"), f"{called}/labels"
        check_images(file, f"{called}/images", raw[split], raw["train"], file.array(labels_of[split]).shape)
    channels = checked_channels(file, channels, raw["train"].shape)
    for split, called in splits.items():
        images[split] = in_layout(file, f"{called}/images", raw[split], channels)
    labels = read_labels(file, labels_of, {split: array.shape[0] for split, array in raw.items()})
    measured = {split: measure(array) for split, array in images.items()}
    statistics = measured["train"]
    check_varies(file, statistics)
    check_fill_values(file, statistics)
    mean, deviation = numpy.zeros(1), numpy.ones(1)
    if standardise:
        mean, deviation = statistics.mean, statistics.standard_deviation
    arrays: dict[str, numpy.ndarray | Pieces] = {}
    for split, called in splits.items():
        arrays[f"{split}/images"] = scaled(file, f"{called}/images", images[split], mean, deviation)
        arrays[f"{split}/labels"] = labels.of_split[split]
    counts = {
        split: numpy.bincount(of_split, minlength=len(labels.classes)).tolist()
        for split, of_split in labels.of_split.items()
    }
    shape = images["train"].shape[1:]
    if len(shape) == 4 and shape[0] == 1 and any(map(file.has, VOLUME)):
        image, mask = volume_and_mask(file, shape[1:], labels.classes)
        arrays |= {VOLUME[0]: without_channel(scaled(file, VOLUME[0], image, mean, deviation)), VOLUME[1]: mask}
    return OwnData(
        arrays,
        shape,
        labels.classes,
        counts,
        statistics,
        {"mean": mean.tolist(), "standard_deviation": deviation.tolist()} if standardise else None,
        [
            axes_note(shape, channels),
            *file.notes,
            *labels.notes,
            *split_notes(splits, raw),
            *image_notes(measured, standardise=standardise),
            *balance_notes(counts["train"]),
        ],
    )  # fmt: skip


# Arrays by their role


def held_out_split(file: ArrayFile) -> str:
    """Returns which split is the test split: `val` if there is no `test`."""
    for split in ("test", "val"):
        if any(file.has(f"{split}/{what}") for what in ("images", "labels")):
            return split
    raise file.missing("test/images", "val/images")


def split_notes(splits: dict[str, str], images: dict[str, Pieces]) -> list[str]:
    """Returns what the log should tell of the splits."""
    notes = []
    if splits["test"] == "val":
        notes.append("there is no test split: val is the test split")
    if len({array.dtype.kind == "f" for array in images.values()}) > 1:
        notes.append(
            "warning: one split holds integers, the other floating-point numbers: check that both have one scale"
        )
    return notes


def axes_note(shape: tuple[int, ...], channels: str) -> str:
    """Returns how the axes of samples (channels, *spatial) were understood."""
    count, *sides = shape
    axes = f"{len(sides)} spatial {'axis' if len(sides) == 1 else 'axes'} of {' x '.join(map(str, sides))}"
    return f"images have {axes}, {'no channels' if channels == 'none' else f'{count} channels, {channels}'}"


def image_notes(measured: dict[str, Statistics], *, standardise: bool) -> list[str]:
    """Returns warnings of what the images of each split hold."""
    notes = []
    for split, found in measured.items():
        called = "training" if split == "train" else split
        notes += [
            f"warning: {called} images hold {what}{in_channel(found, channel)}: replace it if it is a fill value (no "
            "measurement)"
            for channel, what, _ in found.fill_values()
        ]
        if found.constant_images:
            notes.append(f"warning: {found.constant_images} of {found.images} {called} images are constant")
    if not (standardise or measured["train"].near_standardised):
        notes.append("warning: training images are far from standardised: leave out dataset.standardise, or scale them")
    return notes


def balance_notes(counts: list[int]) -> list[str]:
    """Returns a warning if the best constant answer costs clearly less than log(classes)."""
    shares = [count / sum(counts) for count in counts if count]
    constant, guessing = -sum(share * math.log(share) for share in shares), math.log(len(counts))
    if constant >= BALANCED_SHARE * guessing:
        return []
    return [
        f"warning: classes are unbalanced: without class weights, the best constant answer costs {constant:.3g} nats, "
        f"not log({len(counts)}) = {guessing:.3g}, which the study calls guessing"
    ]


def in_channel(statistics: Statistics, channel: int) -> str:
    """Returns which channel is meant, where there are several."""
    return f" in channel {channel}" if len(statistics.mean) > 1 else ""


def check_real(file: ArrayFile, name: str, array: Pieces) -> None:
    """Checks that an array holds integers, truth values or floating-point numbers."""
    if array.dtype.kind not in "biuf":
        raise file.error(name, f"holds {'text' if array.dtype.kind in 'SU' else array.dtype}: save real numbers")


def check_images(file: ArrayFile, name: str, images: Pieces, train: Pieces, labels_shape: tuple[int, ...]) -> None:
    """Checks that images are real numbers, that n is the first axis, and that samples are as large as in training."""
    check_real(file, name, images)
    shape = images.shape
    if len(shape) < 2 or 0 in shape[1:]:
        raise file.error(name, f"has shape {shape}: save it as (n, *spatial), with 1 to 3 spatial axes")
    count = max(labels_shape, default=0)  # whatever the order of the labels' axes
    if shape[0] != count == shape[-1]:
        raise file.error(
            name, f"has shape {shape}, n last as MATLAB has it: reverse the axes, with `images.T` in numpy"
        )
    if shape[0] < 2:
        raise file.error(name, f"has {shape[0]} samples: save at least 2")
    if shape[1:] != train.shape[1:]:
        own, theirs = (" x ".join(map(str, array.shape[1:])) for array in (images, train))
        raise file.error(name, f"has samples of {own}, training of {theirs}: cut all to one size")


def checked_channels(file: ArrayFile, channels: str | None, shape: tuple[int, ...]) -> str:
    """Returns where samples have their channels. They are not guessed from the shape (n, ...)."""
    if file.channels:
        if channels not in (None, file.channels):
            raise SourceError(
                f"dataset.channels: {channels} given, but the images of {file.path} have channels {file.channels}; "
                "leave it out"
            )
        channels = file.channels
    sample = shape[1:]
    least = min(sample)
    edges = sample[:1] + sample[-1:]
    looks_like_channels = len(sample) > 1 and least <= MOST_CHANNELS and least in edges and sample.count(least) == 1
    if channels is None and (looks_like_channels or len(sample) > 3):
        raise file.error(
            "train/images",
            f"has shape {shape}, perhaps with channels: write in dataset.channels where samples have them: none, "
            "first or last",
        )
    axes = len(sample) - (channels in ("first", "last"))
    if not 1 <= axes <= 3:
        raise file.error(
            "train/images",
            f"has shape {shape}, which are {axes} spatial axes with dataset.channels: {channels or 'none'}; save 1-3",
        )
    return channels or "none"


def check_varies(file: ArrayFile, statistics: Statistics) -> None:
    """Checks that no channel is constant."""
    for channel, (deviation, least, greatest) in enumerate(
        zip(statistics.standard_deviation, statistics.least, statistics.greatest, strict=True)
    ):
        where = f"channel {channel} of every entry" if len(statistics.mean) > 1 else "every entry"
        if least == greatest:
            remedy = ", or leave that channel out (of pictures: convert('RGB'))" if len(statistics.mean) > 1 else ""
            raise file.error("train/images", f"is {least:g} in {where}: save images that vary{remedy}")
        if deviation < LEAST_DEVIATION:
            raise file.error("train/images", f"is {least:g} to {greatest:g} in {where}: rescale the images")


def check_fill_values(file: ArrayFile, statistics: Statistics) -> None:
    """Checks that no fill value is so large that float32 cannot tell the other values apart beside it."""
    for channel, what, spread in statistics.fill_values():
        if statistics.standard_deviation[channel] > MOST_DEVIATION * spread:
            raise file.error(
                "train/images",
                f"holds {what}{in_channel(statistics, channel)}, which float32 cannot tell apart beside it: replace it "
                "if it is a fill value (no measurement)",
            )


def volume_and_mask(file: ArrayFile, sides: tuple[int, ...], classes: list[str]) -> tuple[Pieces, numpy.ndarray]:
    """Returns a volume (depth, 1, height, width), and its mask of 0 and 1, which the classes must be too."""
    image, mask = map(file.array, VOLUME)
    for name, array in zip(VOLUME, (image, mask), strict=True):
        check_real(file, name, array)
    if len(image.shape) != 3 or any(length < side for length, side in zip(image.shape, sides, strict=True)):
        raise file.error(
            VOLUME[0],
            f"has shape {image.shape}: save it as (depth, height, width), each at least as long as a sample's, "
            f"{' x '.join(map(str, sides))}",
        )
    if mask.shape != image.shape:
        raise file.error(VOLUME[1], f"has shape {mask.shape}: save it with the volume's, {image.shape}")
    if classes != ["0", "1"]:
        found = f"{classes[0]} to {classes[-1]}"
        raise file.error(VOLUME[1], f"needs classes 0 and 1, found {found}: relabel the samples, or leave volume/ out")
    values = numpy.concatenate(list(mask.read()))
    if not numpy.isin(values, (0, 1)).all():
        raise file.error(VOLUME[1], "holds other values than 0 and 1: save 1 in the foreground and 0 elsewhere")
    return in_layout(file, VOLUME[0], image, "none"), values.astype(numpy.uint8)


# Numbers, in pieces


def in_layout(file: ArrayFile, name: str, images: Pieces, channels: str) -> Pieces:
    """Returns images as (n, channels, *spatial) float64, checked."""
    n, *sample = images.shape
    shape = {"none": (n, 1, *sample), "first": (n, *sample), "last": (n, sample[-1], *sample[:-1])}[channels]
    dtype = numpy.dtype(numpy.float64)

    def read() -> Iterator[numpy.ndarray]:
        for piece in images.read():
            if channels == "last":
                piece = numpy.moveaxis(piece, -1, 1)
            # In C order, so that sums have the same order for each layout of the file.
            with numpy.errstate(over="ignore"):
                yield numpy.ascontiguousarray(piece, dtype).reshape(-1, *shape[1:])

    return checked(file, name, Pieces(shape, dtype, read))


def checked(file: ArrayFile, name: str, images: Pieces, when: str = "") -> Pieces:
    """Returns images, which are checked to be finite and to have squares that float32 holds."""

    def read() -> Iterator[numpy.ndarray]:
        start = 0
        for piece in images.read():
            wrong = ~(numpy.abs(piece) <= GREATEST)
            if wrong.any():
                place = numpy.unravel_index(wrong.argmax(), wrong.shape)
                remedy = (
                    "replace it if it is a fill value (no measurement), otherwise rescale the images"
                    if numpy.isfinite(piece[place])
                    else "replace it with a finite number"
                )
                entry = file.entry(name, start + int(place[0]))
                raise file.error(name, f"holds {piece[place]:g} in {entry}{when}: {remedy}")
            yield piece
            start += len(piece)

    return replace(images, read=read)


def measure(images: Pieces) -> Statistics:
    """Measures each channel of images (n, channels, *spatial) in one pass, in float64."""
    count, mean, squares, least, greatest = 0, 0.0, 0.0, math.inf, -math.inf
    constant, sample = 0, []
    # Odd, so that it is not always the same place of a sample.
    stride = math.prod(images.shape) // images.shape[1] // SAMPLED | 1
    for piece in images.read():
        values = piece.reshape(*piece.shape[:2], -1)
        size, axes = len(values) * values.shape[2], (0, 2)
        # Chan's update: joins count, mean and sum of squared deviations of two parts.
        step = values.mean(axes, dtype=numpy.float64) - mean
        total = count + size
        squares += values.var(axes, dtype=numpy.float64) * size + step**2 * count * size / total
        mean += step * size / total
        count, least, greatest = (
            total,
            numpy.minimum(least, values.min(axes)),
            numpy.maximum(greatest, values.max(axes)),
        )
        if math.prod(images.shape[1:]) > 1:
            constant += int((values.min((1, 2)) == values.max((1, 2))).sum())
        sample.append(values.swapaxes(0, 1).reshape(values.shape[1], -1)[:, ::stride].copy())
    values = numpy.sort(numpy.column_stack([least, *sample, greatest]))
    return Statistics(mean, numpy.sqrt(squares / count), least, greatest, values, images.shape[0], constant)


def scaled(file: ArrayFile, name: str, images: Pieces, mean: numpy.ndarray, deviation: numpy.ndarray) -> Pieces:
    """Returns images (n, channels, *spatial), less the mean over the deviation of each channel, as float32."""
    dtype = numpy.dtype(numpy.float32)
    mean, deviation = (numbers.reshape(-1, *[1] * (len(images.shape) - 2)) for numbers in (mean, deviation))

    def read() -> Iterator[numpy.ndarray]:
        for piece in images.read():
            with numpy.errstate(over="ignore"):
                yield ((piece - mean) / deviation).astype(dtype)

    return checked(file, name, Pieces(images.shape, dtype, read), " after conversion")


def without_channel(images: Pieces) -> Pieces:
    """Returns images (n, 1, *spatial) without the axis of channels."""
    shape = (images.shape[0], *images.shape[2:])
    return replace(images, shape=shape, read=lambda: (piece[:, 0] for piece in images.read()))
