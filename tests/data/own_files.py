"""A user's own data in every format, and their import."""

import h5py
import numpy

from widthwise.data.arrays import read_own_data
from widthwise.data.storage import read_dataset, write_dataset

SPELLINGS = {f"{split}/{what}": f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")}


def own_arrays(counts=(12, 8, 4), test=(2, 2, 2), shape=(8, 8, 8)):
    """Random uint8 images, named as in an .npz file; labels (n, 1)."""
    generator = numpy.random.default_rng(0)
    arrays = {}
    for split, of_class in (("train", counts), ("test", test)):
        labels = generator.permutation(numpy.repeat(numpy.arange(len(of_class)), of_class)).astype(numpy.uint8)
        images = generator.integers(0, 200, (len(labels), *shape), dtype=numpy.uint8)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


def save_npz(path, arrays):
    numpy.savez_compressed(path, **arrays)
    return path


def save_npy(path, arrays):
    path.mkdir()
    for name, array in arrays.items():
        numpy.save(path / f"{name}.npy", array)
    return path


def save_hdf5(path, arrays, **options):
    with h5py.File(path, "w") as file:
        for name, spelling in SPELLINGS.items():
            if spelling in arrays:
                file.create_dataset(name, data=arrays[spelling], **options)
    return path


def save_compressed_hdf5(path, arrays):
    return save_hdf5(path, arrays, compression="gzip", chunks=True)


SAVERS = (save_npz, save_npy, save_hdf5, save_compressed_hdf5)


def import_whole(path, target, **settings):
    """What is in our file once `path` is imported, and what was measured."""
    own = read_own_data(path, **settings)
    return read_dataset(target, write_dataset(target, own.arrays, {})), own
