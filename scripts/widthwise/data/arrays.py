"""A user's own file of labelled cubes, in pieces, and checked before anything is made of it.

Either HDF5 of our own layout (see `storage`; `/volume` may be absent), or an .npz as MedMNIST's: `train_images`
(n, side, side, side), `train_labels` (n,) or (n, 1), the same for `test`; `val` is not used. Images of uint8 are
standardised: less the mean of all training voxels, over their standard deviation. Floating-point images are taken
as they are. Labels are 0 to classes - 1. Nothing is unpickled.

Every fault is a ValueError of one line: file, array, reason. It must not know what a study asks of its data.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy
from numpy.lib import format as npy

from widthwise.data.storage import Pieces

SIDES = range(8, 65)
MOST_CLASSES = 256  # labels are kept as uint8
PIECE_BYTES = 2**23
SPLITS = ("train", "test")
VOLUME = ("volume/image", "volume/mask")
NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class DataError(ValueError):
    """A file that no study can train on; one line that names file, array and reason."""


@dataclass(frozen=True)
class OwnData:
    """What `storage.write_dataset` is to write, training cubes a class, and what uint8 images were scaled by.

    `class_counts` are by split; `scaling` holds mean and standard_deviation, and is None for images taken as they are.
    """

    arrays: dict[str, numpy.ndarray | Pieces]
    class_counts: dict[str, list[int]]
    cube_side: int
    scaling: dict[str, float] | None


def read_own_data(path: Path) -> OwnData:
    """The file's data, all labels and shapes checked; images are checked as they are read. Raises DataError."""
    file = OwnFile(path)
    images = {split: file.images(f"{split}/images") for split in SPLITS}
    side = images["train"].shape[-1]
    for what in ("type", "side"):
        found = [array.dtype if what == "type" else array.shape[-1] for array in images.values()]
        if found[0] != found[1]:
            raise file.error("test/images", f"{what} {found[1]}; allowed: as in training, {found[0]}")
    labels = {split: file.labels(f"{split}/labels", len_of(images[split])) for split in SPLITS}
    classes = check_classes(file, labels)
    scaling = scaling_of(file, images["train"])
    arrays: dict[str, numpy.ndarray | Pieces] = {}
    for split in SPLITS:
        arrays[f"{split}/images"] = file.scaled(f"{split}/images", images[split], scaling)
        arrays[f"{split}/labels"] = labels[split].astype(numpy.uint8)
    if file.is_hdf5 and any(name in file.arrays for name in VOLUME):
        image, mask = file.volume(side, images["train"].dtype)
        arrays |= {VOLUME[0]: file.scaled(VOLUME[0], image, scaling), VOLUME[1]: mask}
    counts = {split: numpy.bincount(labels[split], minlength=classes).tolist() for split in SPLITS}
    return OwnData(arrays, counts, side, scaling)


class OwnFile:
    """The arrays of a file, none of them read yet; methods take the names of our layout. Raises DataError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with readable(path):
            path.stat()
            self.is_hdf5 = h5py.is_hdf5(path)
            if not (self.is_hdf5 or zipfile.is_zipfile(path)):
                raise DataError(f"{path}: neither HDF5 nor .npz by its content; allowed: one of the two")
            self.arrays = hdf5_arrays(path) if self.is_hdf5 else npz_arrays(path)

    def spelt(self, name: str) -> str:
        """An array's name in the file."""
        return name if self.is_hdf5 else name.replace("/", "_")

    def error(self, name: str, reason: str) -> DataError:
        """What is wrong with an array, by the name that it has in the file."""
        return DataError(f"{self.path}: {self.spelt(name)}: {reason}")

    def array(self, name: str) -> Pieces:
        """One array, of numbers."""
        if self.spelt(name) not in self.arrays:
            raise self.error(name, f"missing; found: {', '.join(sorted(self.arrays)) or 'no array'}")
        array = self.arrays[self.spelt(name)]
        if array.dtype.hasobject:
            raise self.error(name, "holds objects, and nothing is unpickled; allowed: numbers")
        return array

    def images(self, name: str) -> Pieces:
        """A split's cubes."""
        array = self.array(name)
        if array.dtype != numpy.uint8 and array.dtype.kind != "f":
            raise self.error(name, f"numbers of type {array.dtype}; allowed: uint8 or floating point")
        if len(array.shape) != 4:
            raise self.error(name, f"shape {array.shape}; allowed: (n, side, side, side)")
        if len(set(array.shape[1:])) != 1 or array.shape[1] not in SIDES:
            raise self.error(
                name,
                f"cubes of {' x '.join(map(str, array.shape[1:]))} voxels; allowed: three equal sides from "
                f"{SIDES[0]} to {SIDES[-1]}",
            )
        if len_of(array) < 2:
            raise self.error(name, f"{len_of(array)} cubes; allowed: at least 2")
        return array

    def labels(self, name: str, cubes: int) -> numpy.ndarray:
        """A split's labels (n,) int64."""
        array = self.array(name)
        if len(array.shape) not in (1, 2) or array.shape[1:] not in ((), (1,)):
            raise self.error(name, f"shape {array.shape}; allowed: (n,) or (n, 1)")
        if len_of(array) != cubes:
            raise self.error(name, f"{len_of(array)} labels for {cubes} cubes; allowed: one a cube")
        return self.whole_numbers(name, array, MOST_CLASSES).ravel()

    def volume(self, side: int, dtype: numpy.dtype) -> tuple[Pieces, numpy.ndarray]:
        """A volume and its mask, 0 or 1."""
        image, mask = (self.array(name) for name in VOLUME)
        if len(image.shape) != 3 or min(image.shape) < side or image.dtype != dtype:
            raise self.error(
                VOLUME[0],
                f"shape {image.shape} and type {image.dtype}; allowed: three axes of at least {side} voxels, {dtype}",
            )
        if mask.shape != image.shape:
            raise self.error(VOLUME[1], f"shape {mask.shape}; allowed: the volume's, {image.shape}")
        return image, self.whole_numbers(VOLUME[1], mask, 2).astype(numpy.uint8)

    def whole_numbers(self, name: str, array: Pieces, below: int) -> numpy.ndarray:
        """A small array, whole in memory as int64, of whole numbers from 0 to `below` - 1."""
        if array.dtype.kind not in "biuf":
            raise self.error(name, f"entries of type {array.dtype}; allowed: whole numbers")
        values = numpy.concatenate(list(array.read()))
        wrong = values[~((values >= 0) & (values < below) & (values == numpy.floor(values)))]
        if len(wrong):
            raise self.error(name, f"{wrong[0]} among them; allowed: whole numbers from 0 to {below - 1}")
        return values.astype(numpy.int64)

    def scaled(self, name: str, array: Pieces, scaling: dict[str, float] | None) -> Pieces:
        """The array as finite float32."""

        def read() -> Iterator[numpy.ndarray]:
            start = 0
            for piece in array.read():
                if scaling:
                    every = (numpy.arange(256) - scaling["mean"]) / scaling["standard_deviation"]
                    yield every.astype(numpy.float32)[piece]
                else:
                    with numpy.errstate(over="ignore"):
                        numbers = piece.astype(numpy.float32)
                    finite = numpy.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)
                    if not finite.all():
                        raise self.error(name, f"NaN or infinite in entry {start + finite.argmin()}; allowed: finite")
                    yield numbers
                start += len(piece)

        return Pieces(array.shape, numpy.dtype(numpy.float32), read)


def len_of(array: Pieces) -> int:
    """Entries along the first axis."""
    return array.shape[0]


def check_classes(file: OwnFile, labels: dict[str, numpy.ndarray]) -> int:
    """The number of classes: at least two, each with a training cube, and no other in the test split."""
    counts = numpy.bincount(labels["train"])
    present = numpy.flatnonzero(counts)
    if len(present) == 1:
        raise file.error("train/labels", f"one class only, {present[0]}; allowed: two or more")
    if not counts.all():
        raise file.error(
            "train/labels", f"no cube of class {counts.argmin()}; allowed: every class from 0 to {len(counts) - 1}"
        )
    if labels["test"].max() >= len(counts):
        raise file.error(
            "test/labels", f"class {labels['test'].max()}, of which training has no cube; allowed: training's classes"
        )
    return len(counts)


def scaling_of(file: OwnFile, images: Pieces) -> dict[str, float] | None:
    """Mean and standard deviation of all voxels of uint8 images, exactly; None for others."""
    if images.dtype != numpy.uint8:
        return None
    counts = sum(numpy.bincount(piece.ravel(), minlength=256) for piece in images.read())
    values = numpy.arange(256)
    mean = float(counts @ values / counts.sum())
    deviation = math.sqrt(counts @ (values - mean) ** 2 / counts.sum())
    if deviation == 0:
        raise file.error("train/images", f"every voxel is {mean:.0f}; allowed: images that differ")
    return {"mean": mean, "standard_deviation": deviation}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file makes a reader raise into one line."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def hdf5_arrays(path: Path) -> dict[str, Pieces]:
    """Every array of an HDF5 file."""
    found = {}

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            shape = item.shape or ()
            found[name] = Pieces(shape, item.dtype, partial(hdf5_pieces, path, name, per_piece(shape, item.dtype)))

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def hdf5_pieces(path: Path, name: str, count: int) -> Iterator[numpy.ndarray]:
    """The array's entries, `count` at a time."""
    with readable(path), h5py.File(path) as file:
        for start in range(0, len(file[name]), count):
            yield file[name][start : start + count]


def npz_arrays(path: Path) -> dict[str, Pieces]:
    """Every array of an .npz file, by the headers alone."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                name = member.removesuffix(".npy")
                with archive.open(member) as stream:
                    shape, _, dtype = npy_header(stream)
                found[name] = Pieces(shape, dtype, partial(npy_pieces, path, member, per_piece(shape, dtype)))
    return found


def npy_pieces(path: Path, member: str, count: int) -> Iterator[numpy.ndarray]:
    """The array's entries, `count` at a time."""
    with readable(path), zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, fortran_order, dtype = npy_header(stream)
        if fortran_order:
            raise DataError(f"{path}: {member}: in Fortran order, the last axis first; allowed: C order")
        for start in range(0, shape[0], count):
            wanted = (min(count, shape[0] - start), *shape[1:])
            content = stream.read(math.prod(wanted) * dtype.itemsize)
            yield numpy.frombuffer(content, dtype).reshape(wanted)
        if stream.read(1):  # at the end of the member its checksum is compared
            raise ValueError(f"{member} is longer than its header says")


def npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, numpy.dtype]:
    """Shape, whether in Fortran order, and type. Raises ValueError for a version that plain numbers never need."""
    version = npy.read_magic(stream)
    if version not in NPY_HEADERS:
        raise ValueError(f"version {version} of .npy")
    return NPY_HEADERS[version](stream)


def per_piece(shape: tuple[int, ...], dtype: numpy.dtype) -> int:
    """How many entries along the first axis are one piece."""
    return max(1, PIECE_BYTES // max(1, math.prod(shape[1:]) * dtype.itemsize))
