"""The dataset's HDF5 layout, in one place: what `generate_dataset` writes and what readers find.

`/train/images` float32 (n, side, side, side), `/train/labels` uint8 (n,), the same under `/test`,
`/volume/image` float32 and `/volume/mask` uint8 of one whole test volume; attributes hold the generator's
settings and the content digest. It is given a path and never chooses one.
"""

import hashlib
import os
from pathlib import Path

import h5py
import numpy

Arrays = dict[str, numpy.ndarray]


def content_digest(arrays: Arrays) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = numpy.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def write_dataset(path: Path, arrays: Arrays, attributes: dict) -> None:
    """Writes the arrays under their names; the same arrays and attributes give the same bytes."""
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def read_dataset(path: Path, digest: str) -> Arrays:
    """All arrays by name. Raises ValueError where the file cannot be read or its content has another digest."""
    try:
        arrays = {}
        with h5py.File(path, "r") as file:
            file.visititems(
                lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
    except OSError as error:
        raise ValueError(
            f"{os.fspath(path)}: not a whole HDF5 file ({error}); remove it to have it made again"
        ) from None
    if content_digest(arrays) != digest:
        raise ValueError(
            f"{os.fspath(path)}: its content is not what its dataset.json says; remove it to have it made again"
        )
    return arrays
