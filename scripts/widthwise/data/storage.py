"""The dataset's HDF5 layout, in one place: what `generate_dataset` and `import_dataset` write and readers find.

`/train/images` float32 (n, side, side, side), `/train/labels` uint8 (n,), the same under `/test`,
`/volume/image` float32 and `/volume/mask` uint8 of one whole test volume, where there is one; attributes hold where
the data come from and the content digest. Arrays are contiguous in the file, so that readers map them: the system
keeps in memory what fits. It is given a path and never chooses one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy

Arrays = dict[str, numpy.ndarray]
# Mapped numbers start where the processor wants them; HDF5 itself packs arrays byte to byte.
ALIGNMENT = {"alignment_threshold": 1, "alignment_interval": 64}


@dataclass(frozen=True)
class Pieces:
    """An array that need not fit into memory: `read` gives it anew at each call, in pieces along its first axis."""

    shape: tuple[int, ...]
    dtype: numpy.dtype
    read: Callable[[], Iterator[numpy.ndarray]]


def content_digest(arrays: Arrays) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = numpy.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def write_dataset(path: Path, arrays: Mapping[str, numpy.ndarray | Pieces], attributes: dict) -> str:
    """Writes the arrays under their names and returns their digest, which joins the attributes.

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
        digest = content_digest(mapped(file, path))
        file.attrs["digest"] = digest
    return digest


def read_dataset(path: Path, digest: str) -> Arrays:
    """All arrays by name, mapped read-only. Raises ValueError where the file cannot be read or its content has
    another digest."""
    try:
        with h5py.File(path, "r") as file:
            arrays = mapped(file, path)
    except OSError as error:
        raise ValueError(
            f"{os.fspath(path)}: not a whole HDF5 file ({error}); remove it to have it made again"
        ) from None
    if content_digest(arrays) != digest:
        raise ValueError(
            f"{os.fspath(path)}: its content is not what its dataset.json says; remove it to have it made again"
        )
    return arrays


def mapped(file: h5py.File, path: Path) -> Arrays:
    """All arrays of an open file by name, as the pages of the file itself."""
    arrays = {}
    file.visititems(lambda name, item: arrays.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return {  # an array that somebody compressed has no place to be mapped from
        name: item[()] if item.chunks else numpy.memmap(path, item.dtype, "r", item.id.get_offset(), item.shape)
        for name, item in arrays.items()
    }
