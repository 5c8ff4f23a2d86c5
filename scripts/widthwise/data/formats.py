"""Arrays of a user's HDF5 or .npz file, or of a folder of .npy files, by name and in pieces.

Names are those of our layout, such as `train/images`, or what the user calls them; in an .npz file or a folder of .npy
files it is `train_images`. Only arrays that are asked for are looked at. Nothing is unpickled.
"""

import math
import struct
import tokenize
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy
from numpy.lib import format as npy

from widthwise.data.samples import SourceError
from widthwise.data.storage import HDF5_ERRORS, IN_USE, Pieces, is_locked

# Bytes of a piece in float64, so that pieces do not depend on the file's type.
PIECE_BYTES, NUMBER_BYTES = 2**23, 8
NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What h5py, zipfile, numpy and Pillow raise for a damaged file.
READ_ERRORS = (*HDF5_ERRORS, EOFError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, struct.error)


class ArrayFile(ABC):
    """Named arrays of a file or a folder. Methods raise SourceError.

    Attributes:
        channels: where samples have channels, `none` or `last`, if the format tells.
        notes: sentences on what was found.
        separator: what stands for the slash in the names of arrays.
    """

    channels: str | None = None
    notes: Sequence[str] = ()
    separator = "/"

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self.path, self.given_names = path, names

    def spelling(self, name: str) -> str:
        """Returns an array's name in this file."""
        return self.given_names.get(name, name.replace("/", self.separator)).strip("/")

    @abstractmethod
    def names(self) -> list[str]:
        """Returns the names of all arrays, as the file spells them."""

    def has(self, name: str) -> bool:
        """Returns whether the file has an array of this name."""
        return self.spelling(name) in self.names()

    @abstractmethod
    def array(self, name: str) -> Pieces:
        """Returns an array, unread."""

    @abstractmethod
    def read_pieces(self, name: str, count: int) -> Iterator[numpy.ndarray]:
        """Yields an array, `count` entries at a time."""

    def entry(self, name: str, index: int) -> str:
        """Returns how to call an entry of an array."""
        return f"entry {index}"

    def error(self, name: str, fault: str) -> SourceError:
        """Returns the error for a fault of an array."""
        return SourceError(f"{self.path}: {self.spelling(name)} {fault}")

    def missing(self, *names: str) -> SourceError:
        """Returns the error for an array that is not there under any of these names."""
        found = ", ".join(sorted(self.names())) or "no arrays"
        wanted = f"{' and '.join(map(self.spelling, names))} {'is' if len(names) == 1 else 'are'} missing"
        remedy = f"save it, or write dataset.names: {{{names[0]}: ITS NAME}}"
        return SourceError(f"{self.path}: {wanted}, found {found}: {remedy}")

    def pieces(self, name: str, shape: tuple[int, ...], dtype: numpy.dtype) -> Pieces:
        """Returns an array of this shape and type, read by `read_pieces`."""
        if dtype.hasobject:
            raise self.error(name, "holds Python objects, which are not unpickled: convert text with `.astype(str)`")
        count = max(1, PIECE_BYTES // max(1, math.prod(shape[1:]) * NUMBER_BYTES))
        return Pieces(shape, dtype, partial(self.read_pieces, name, count))

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turns whatever a damaged array makes a reader raise into a SourceError."""
        with readable(self.path, f"{self.spelling(name)} "):
            yield


class HDF5Arrays(ArrayFile):
    """The datasets of an HDF5 file."""

    def names(self) -> list[str]:
        """Returns the names of all datasets and links; what is behind a link is not looked at."""
        found = []

        def add(name: str, link: h5py.HardLink | h5py.SoftLink | h5py.ExternalLink) -> None:
            if not isinstance(link, h5py.HardLink) or file.get(name, getclass=True) is h5py.Dataset:
                found.append(name)

        with readable(self.path), h5py.File(self.path) as file:
            file.visititems_links(add)
        return found

    def has(self, name: str) -> bool:
        """Returns whether the file has a dataset, group or link of this name."""
        with readable(self.path), h5py.File(self.path) as file:
            return self.spelling(name) in file

    def array(self, name: str) -> Pieces:
        """Returns a dataset whose numbers are all in this file."""
        with self.reading(name), h5py.File(self.path) as file:
            item = self.dataset(file, name)
            try:
                dtype = item.dtype
            except TypeError as error:
                raise self.error(name, f"has a type that numpy lacks ({error}): save numbers") from error
            fault = storage_fault(item, self.spelling(name))
            if fault:
                raise self.error(name, fault)
            return self.pieces(name, item.shape or (), numpy.dtype(str) if h5py.check_string_dtype(dtype) else dtype)

    def dataset(self, file: h5py.File, name: str) -> h5py.Dataset:
        """Returns a dataset by its name or a link within the file."""
        spelling = self.spelling(name)
        for link in (file.get(part, getlink=True) for part in accumulate(spelling.split("/"), "{}/{}".format)):
            if isinstance(link, h5py.ExternalLink):
                raise self.error(name, f"is an external link to {link.filename}: {copy_remedy(spelling)}")
        try:
            item = file[spelling]
        except KeyError as error:
            if target := dangling_target(file, spelling):
                fault = f"is a link to {target}, which is not there: save it in its place"
                raise self.error(name, fault) from error
            raise self.missing(name) from error
        if h5py.h5o.get_info(item.id).fileno != h5py.h5o.get_info(file.id).fileno:  # a soft link to an external one
            raise self.error(name, f"is an external link to {item.file.filename}: {copy_remedy(spelling)}")
        if not isinstance(item, h5py.Dataset):
            raise self.missing(name)
        return item

    def read_pieces(self, name: str, count: int) -> Iterator[numpy.ndarray]:
        """Yields a dataset, `count` entries at a time."""
        with self.reading(name), h5py.File(self.path) as file:
            item = file[self.spelling(name)]
            is_text = h5py.check_string_dtype(item.dtype)
            for start in range(0, len(item), count):
                piece = slice(start, start + count)
                yield item.asstr()[piece].astype(str) if is_text else item[piece]


def dangling_target(file: h5py.File, name: str) -> str | None:
    """Returns what the first soft link on the way to a name points to, if that is not there."""
    for part in accumulate(name.split("/"), "{}/{}".format):
        link = file.get(part, getlink=True)
        if isinstance(link, h5py.SoftLink) and file.get(part) is None:
            return link.path
    return None


def copy_remedy(name: str) -> str:
    """Returns how to write a dataset whose numbers are in other files."""
    return f"write it into one file, for example with h5py: `new_file[{name!r}] = file[{name!r}][...]`"


def storage_fault(item: h5py.Dataset, name: str) -> str | None:
    """Returns why a dataset's numbers cannot all be read from its file, and the remedy; None if they can.

    HDF5 reads parts that are missing as zeros, without an error.
    """
    if item.is_virtual:
        return (
            "is a virtual dataset, whose parts may lie in other files and read as zeros where one is missing: check "
            f"that every file of virtual_sources() is there, then {copy_remedy(name)}"
        )
    if item.external:
        return f"is stored outside the file, in {item.external[0][0]}: {copy_remedy(name)}"
    properties = item.id.get_create_plist()
    for code, _, _, title in map(properties.get_filter, range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            return (
                f"is compressed by HDF5 filter {code} ({title.decode() or 'unnamed'}), which is not installed: "
                "write it with `compression='gzip'`, or set HDF5_PLUGIN_PATH to the folder of the filter's plugin"
            )
    if not item.size:
        return None
    if item.chunks:
        needed = math.prod(-(-length // side) for length, side in zip(item.shape, item.chunks, strict=True))
        written = item.id.get_num_chunks()
    else:
        needed, written = 1, int(item.id.get_storage_size() > 0)
    if written < needed:
        return f"has {written} of its {needed} chunks, the rest was never written: write all of it"
    return None


class NpzArrays(ArrayFile):
    """The members of an .npz file. Those in Fortran order are read as a whole."""

    separator = "_"

    def spelling(self, name: str) -> str:
        """Returns an array's name, without the ending."""
        return super().spelling(name).removesuffix(".npy")

    def names(self) -> list[str]:
        """Returns the names of all members that are arrays."""
        with readable(self.path), zipfile.ZipFile(self.path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    def array(self, name: str) -> Pieces:
        """Returns a member."""
        if not self.has(name):
            raise self.missing(name)
        with self.open(name) as stream:
            shape, _, dtype = npy_header(stream)
        return self.pieces(name, shape, dtype)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Opens a member."""
        with (
            self.reading(name),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self.spelling(name)}.npy") as stream,
        ):
            yield stream

    def read_pieces(self, name: str, count: int) -> Iterator[numpy.ndarray]:
        """Yields a member, `count` entries at a time."""
        with self.open(name) as stream:
            shape, is_fortran, dtype = npy_header(stream)
            starts = range(0, shape[0], count)
            if is_fortran:
                whole = self.read_fortran(stream, shape, dtype)
                yield from (whole[start : start + count] for start in starts)
                return
            for start in starts:
                wanted = (min(count, shape[0] - start), *shape[1:])
                content = stream.read(math.prod(wanted) * dtype.itemsize)
                yield numpy.frombuffer(content, dtype).reshape(wanted)
            if stream.read(1):  # the checksum is compared at the end of the member
                raise ValueError("longer than its header says")

    def read_fortran(self, stream: BinaryIO, shape: tuple[int, ...], dtype: numpy.dtype) -> numpy.ndarray:
        """Returns the rest of a stream as an array in Fortran order."""
        return numpy.frombuffer(stream.read(), dtype).reshape(shape, order="F")


class NpyFolder(NpzArrays):
    """The .npy files of a folder. Those in Fortran order are mapped."""

    def names(self) -> list[str]:
        """Returns the names of all arrays."""
        return [path.stem for path in self.path.glob("*.npy")]

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Opens a file."""
        with self.reading(name), (self.path / f"{self.spelling(name)}.npy").open("rb") as stream:
            yield stream

    def read_fortran(self, stream: BinaryIO, shape: tuple[int, ...], dtype: numpy.dtype) -> numpy.ndarray:
        """Returns the rest of a file as an array in Fortran order."""
        return numpy.memmap(stream, dtype, "r", stream.tell(), shape, "F")


def npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, numpy.dtype]:
    """Returns shape, whether in Fortran order, and type. Raises ValueError for versions that plain numbers never need.

    Version 3 is for names of fields only.
    """
    version = npy.read_magic(stream)
    if version not in NPY_HEADERS:
        raise ValueError(f"version {version} of .npy")
    return NPY_HEADERS[version](stream)


@contextmanager
def readable(path: Path, what: str = "") -> Iterator[None]:
    """Turns whatever a damaged file makes a reader raise into a SourceError."""
    try:
        yield
    except SourceError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise SourceError(f"{path}: {what}cannot be read: {error.strerror}") from error
    except READ_ERRORS as error:
        if is_locked(error):
            raise SourceError(f"{path} {IN_USE}") from error
        reason = " ".join(str(error).split())
        raise SourceError(
            f"{path}: {what}cannot be read ({reason}): if the file is incomplete, copy it again"
        ) from error
