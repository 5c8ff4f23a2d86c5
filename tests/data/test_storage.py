"""The dataset on disk: the same bytes for the same data; refused when in use, damaged or changed."""

import h5py
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from widthwise.data.storage import Pieces, content_digest, read_dataset, write_dataset

ARRAYS = {"train/images": numpy.ones((2, 3), numpy.float32), "train/labels": numpy.array([0, 1], numpy.uint8)}


def test_same_arrays_same_file(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_dataset(tmp_path / name, ARRAYS, {"seed": 0})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_what_is_written_is_read(tmp_path):
    write_dataset(tmp_path / "d.h5", ARRAYS, {"noise": 0.5})
    read = read_dataset(tmp_path / "d.h5", content_digest(ARRAYS))
    assert read.keys() == ARRAYS.keys()
    assert all(numpy.array_equal(read[name], ARRAYS[name]) for name in ARRAYS)
    with h5py.File(tmp_path / "d.h5") as file:
        assert file.attrs["noise"] == 0.5


@given(
    array=npst.arrays(numpy.float32, npst.array_shapes(min_dims=1, max_dims=5), elements=st.floats(-9, 9, width=32)),
    data=st.data(),
)
def test_an_array_in_pieces_is_stored_as_the_whole(array, data, tmp_path_factory):
    cuts = data.draw(st.lists(st.integers(0, len(array)), max_size=3).map(sorted))
    pieces = Pieces(array.shape, array.dtype, lambda: iter(numpy.split(array, cuts)))
    path = tmp_path_factory.mktemp("pieces") / "d.h5"
    assert write_dataset(path, {"images": pieces}, {}) == content_digest({"images": array})


def test_the_digest_is_of_names_types_shapes_and_values():
    images = ARRAYS["train/images"]
    others = [images + 1, images.astype(numpy.float64), images.reshape(3, 2)]
    digests = {content_digest(ARRAYS | {"train/images": other}) for other in [images, *others]}
    assert len(digests | {content_digest({"renamed": images, "train/labels": ARRAYS["train/labels"]})}) == 5


def test_a_missing_torn_or_changed_file_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "d.h5"
    with pytest.raises(ValueError, match=r"d\.h5: not found; make the dataset first"):
        read_dataset(path, content_digest(ARRAYS))
    write_dataset(path, ARRAYS, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"d\.h5 is not a complete HDF5 file .*: remove it, and it is made again"):
        read_dataset(path, content_digest(ARRAYS))
    write_dataset(path, ARRAYS | {"train/labels": numpy.array([1, 1], numpy.uint8)}, {})
    with pytest.raises(ValueError, match=r"d\.h5 does not have the content that its \.json file names: remove it"):
        read_dataset(path, content_digest(ARRAYS))


def test_a_file_that_another_program_writes_to_is_in_use(held_open, tmp_path):
    path = tmp_path / "d.h5"
    digest = write_dataset(path, ARRAYS, {})
    with held_open(path), pytest.raises(ValueError, match=r"d\.h5 is in use by another program: close it there"):
        read_dataset(path, digest)
    assert read_dataset(path, digest)
