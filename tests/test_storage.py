"""The dataset on disk: the same bytes for the same data, and refused when torn or changed."""

import h5py
import numpy
import pytest

from widthwise.data.storage import content_digest, read_dataset, write_dataset
from widthwise.files import written_aside

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


def test_the_digest_is_of_names_types_shapes_and_values():
    images = ARRAYS["train/images"]
    others = [images + 1, images.astype(numpy.float64), images.reshape(3, 2)]
    digests = {content_digest(ARRAYS | {"train/images": other}) for other in [images, *others]}
    assert len(digests | {content_digest({"renamed": images, "train/labels": ARRAYS["train/labels"]})}) == 5


def test_a_torn_or_changed_file_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "d.h5"
    write_dataset(path, ARRAYS, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"d\.h5: not a whole HDF5 file .* remove it to have it made again"):
        read_dataset(path, content_digest(ARRAYS))
    write_dataset(path, ARRAYS | {"train/labels": numpy.array([1, 1], numpy.uint8)}, {})
    with pytest.raises(ValueError, match=r"d\.h5: its content is not what its dataset\.json says"):
        read_dataset(path, content_digest(ARRAYS))


def test_an_output_is_whole_or_not_there(tmp_path):
    target = tmp_path / "result.csv"
    with pytest.raises(TypeError), written_aside(target) as aside:
        aside.write_text(b"half")
    assert list(tmp_path.iterdir()) == []
    with written_aside(target) as aside:
        aside.write_text("whole")
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result.csv"]
