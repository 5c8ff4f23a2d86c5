"""Layout of a dataset's HDF5 file, shared by the programs that write and read it.

- `/train/images` float32 (n, channels, *spatial), `/train/labels` uint8 (n,), int32 for more than 256 classes, and the
  same under `/test`.
- `/volume/image` float32 and `/volume/mask` uint8, both (depth, height, width): one test volume, if there is one.
- Attributes: where the data come from, and the digest of the content.

Arrays are contiguous in the file so that readers map them instead of loading them.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy

Arrays = dict[str, numpy.ndarray]
# Aligns every array for the processor; HDF5 packs them without gaps by default.
ALIGNMENT = {"alignment_threshold": 1, "alignment_interval": 64}
# What h5py raises for a damaged file.
HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError)
IN_USE = (
    "is in use by another program: close it there, or, if its file system has no locks, set HDF5_USE_FILE_LOCKING=FALSE"
)


@dataclass(frozen=True)
class Pieces:
    """An array that may be larger than memory. Each call of `read` yields it again, split along the first axis."""

    shape: tuple[int, ...]
    dtype: numpy.dtype
    read: Callable[[], Iterator[numpy.ndarray]]


def content_digest(arrays: Arrays) -> str:
    """Returns the hex SHA-256 over names, types, shapes and bytes, in alphabetical order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = numpy.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def write_dataset(path: Path, arrays: Mapping[str, numpy.ndarray | Pieces], attributes: Mapping) -> str:
    """Writes arrays under their names, attributes, and the digest. Returns the digest.

    The same arrays and attributes give the same bytes.
    """
    with h5py.File(path, "w", **ALIGNMENT) as file:
        file.attrs.update(attributes)
        for name, array in arrays.items():
            item = file.create_dataset(name, array.shape, array.dtype)
            position = 0
            for piece in array.read() if isinstance(array, Pieces) else [array]:
                item[position : position + len(piece)] = piece
                position += len(piece)
        file.flush()
        digest = content_digest(map_arrays(file, path))
        file.attrs["digest"] = digest
    return digest


def read_dataset(path: Path, digest: str) -> Arrays:
    """Returns all arrays by name, mapped read-only.

    Raises:
        ValueError: if the file is missing, in use, damaged, or its content does not have this digest.
    """
    try:
        with h5py.File(path, "r") as file:
            arrays = map_arrays(file, path)
        found = content_digest(arrays)
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; make the dataset first") from None
    except HDF5_ERRORS as error:
        if is_locked(error):
            raise ValueError(f"{path} {IN_USE}") from None
        raise ValueError(f"{path} is not a complete HDF5 file ({error}): remove it, and it is made again") from None
    if found != digest:
        raise ValueError(f"{path} does not have the content that its .json file names: remove it, and it is made again")
    return arrays


def is_locked(error: Exception) -> bool:
    """Returns whether h5py failed to lock a file, mostly because another program has it open."""
    return "unable to lock file" in str(error)


def map_arrays(file: h5py.File, path: Path) -> Arrays:
    """Returns all arrays of an open file by name, mapped from the file, or read where they cannot be mapped."""
    found = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    arrays = {}
    for name, item in found.items():
        offset = item.id.get_offset()  # None if the array is chunked or compressed
        arrays[name] = item[()] if offset is None else numpy.memmap(path, item.dtype, "r", offset, item.shape)
    return arrays
