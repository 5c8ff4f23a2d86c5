"""Labels of any kind become classes from 0 on, or are refused in one line with the remedy."""

import re

import h5py
import numpy
import pytest
from data.own_files import SAVERS, import_whole, own_arrays, save_hdf5, save_npz
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.data.arrays import read_own_data
from widthwise.data.samples import SourceError

N_TRAIN, N_TEST = 24, 6


def labelled(train, test):
    return own_arrays(shape=(4,)) | {"train_labels": train, "test_labels": test}


def repeated(*values, dtype=None, count=N_TRAIN):
    return numpy.resize(numpy.array(values, dtype=dtype), count)


@given(
    classes=st.lists(st.integers(-120, 120), min_size=2, max_size=5, unique=True),
    dtype=st.sampled_from(["i1", ">i2", "<i8", "f4", ">f8", "g", "U4", "S4"]),
    save=st.sampled_from(SAVERS),
    column=st.booleans(),
)
@settings(max_examples=40)
def test_whole_numbers_of_any_base_and_type_are_numbered_in_their_order(classes, dtype, save, column, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    values = numpy.array(classes).astype(numpy.dtype(dtype))
    if save is not save_npz and save.__name__.endswith("hdf5") and values.dtype.kind == "U":
        values = values.astype("S")  # HDF5 has no type for it
    train = numpy.resize(values, N_TRAIN)
    path = save(folder / "mine.npz", labelled(train[:, None] if column else train, train[:N_TEST]))
    arrays, own = import_whole(path, folder / "d.h5")
    assert own.classes == [str(value) for value in sorted(classes)]
    assert [own.classes[label] for label in arrays["train/labels"]] == [str(v) for v in numpy.resize(classes, N_TRAIN)]
    assert arrays["test/labels"].dtype == numpy.uint8


@pytest.mark.parametrize(
    ("values", "classes", "note"),
    [
        (["dog", "cat"], ["cat", "dog"], ["classes are numbered: cat is 0, dog is 1"]),
        ([b"dog", b"caf\xc3\xa9"], ["café", "dog"], ["classes are numbered: café is 0, dog is 1"]),
        (["2", "10"], ["2", "10"], ["classes are numbered: 2 is 0, 10 is 1"]),
        (["2", "x10"], ["2", "x10"], ["classes are numbered: 2 is 0, x10 is 1"]),
        ([False, True], ["0", "1"], []),
        ([1.0, 0.0, 2.0], ["0", "1", "2"], []),
        ([2**64 - 1, 2**64 - 2], ["18446744073709551614", "18446744073709551615"], None),
    ],
)
def test_text_and_truth_values_are_classes(values, classes, note, tmp_path):
    path = save_npz(tmp_path / "file.npz", labelled(repeated(*values), repeated(*values, count=N_TEST)))
    own = read_own_data(path)
    assert own.classes == classes
    assert note is None or [line for line in own.notes if "axis" not in line] == note


def test_hdf5_text_of_any_length_is_a_class(tmp_path):
    path = save_hdf5(tmp_path / "file.h5", labelled(repeated(0, 1), repeated(0, 1, count=N_TEST)))
    with h5py.File(path, "a") as file:
        for split, count in (("train", N_TRAIN), ("test", N_TEST)):
            del file[f"{split}/labels"]
            file[f"{split}/labels"] = repeated("größer", "less", dtype=object, count=count)
    assert read_own_data(path).classes == ["größer", "less"]


@pytest.mark.parametrize("dtype", ["?", "u1", "f4"])
def test_one_hot_rows_are_classes(dtype, tmp_path):
    train, test = repeated(0, 2, 3), repeated(3, 2, count=N_TEST)
    path = save_npz(tmp_path / "file.npz", labelled(*(numpy.eye(5, dtype=dtype)[labels] for labels in (train, test))))
    arrays, own = import_whole(path, tmp_path / "d.h5")
    assert own.classes == ["0", "2", "3"]
    assert "labels are one-hot, with 5 columns" in own.notes
    assert numpy.array_equal(arrays["train/labels"], numpy.searchsorted([0, 2, 3], train))
    assert own.class_counts["test"] == [0, 3, 3]


def test_more_than_256_classes_are_stored_as_int32(tmp_path):
    images = numpy.random.default_rng(0).normal(size=(600, 4))
    labels = numpy.arange(600) % 300
    path = save_npz(tmp_path / "file.npz", {
        "train_images": images, "train_labels": labels, "test_images": images[:300], "test_labels": labels[:300],
    })  # fmt: skip
    arrays, own = import_whole(path, tmp_path / "d.h5")
    assert arrays["train/labels"].dtype == numpy.int32
    assert numpy.array_equal(arrays["train/labels"], labels)
    assert own.class_counts["train"] == [2] * 300


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (repeated(1), "train_labels has one class only, 1: save samples of two or more$"),
        (repeated(0, 1.5), r"train_labels holds 1\.5 in entry 1: save classes, as whole numbers or text$"),
        (repeated(0, numpy.nan), "train_labels holds nan in entry 1: save classes"),
        (repeated(0, numpy.inf), "train_labels holds inf in entry 1: save classes"),
        (repeated(0, 1j), "train_labels holds complex128: save whole numbers or text$"),
        (repeated("a", "b", dtype=object), r"train_labels holds Python objects, .*astype\(str\)`$"),
        (repeated(0, 1)[None], r"train_labels has shape \(1, 24\), n last .*: reverse the axes of labels and images"),
        (numpy.eye(3)[repeated(0, 1)].T, r"train_labels has shape \(3, 24\), n last as MATLAB has it: reverse"),
        (repeated(0, 1)[:, None, None], r"train_labels has shape \(24, 1, 1\): save it as \(n,\), \(n, 1\)"),
        (numpy.int64(1), r"train_labels has shape \(\): save it as"),
        (repeated(0, 1)[:23], "train_labels has 23 labels for 24 samples: save one label for each sample$"),
        (numpy.eye(3)[repeated(0, 1)] / 2, r"train_labels has shape \(24, 3\) and is not one-hot: save one class for"),
        (numpy.tile([["a", "b"]], (24, 1)), r"train_labels has shape \(24, 2\) and is not one-hot"),
        (numpy.tri(24, 3, dtype="u1"), r"train_labels is multi-label \(2 classes in entry 1\): only one"),
        (numpy.eye(3)[repeated(0, 1)] * repeated(1, 0)[:, None], "train_labels has no class in entry 1: save one"),
        (repeated(1, 2), "test_labels has class 0, training does not: save training samples of it too$"),
        (numpy.eye(4)[repeated(0, 1, 2)], "test_labels is not one-hot, that of training one-hot with 4 columns: save"),
        (repeated("0", "1", "cat"), "test_labels has class 2, training does not"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_refused(train, line, tmp_path):
    path = save_npz(tmp_path / "file.npz", labelled(train, own_arrays()["test_labels"]))
    with pytest.raises(SourceError) as refused:
        read_own_data(path)
    assert re.search(f"^{re.escape(str(path))}: {line}", str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("train", "test", "line"),
    [
        (numpy.eye(3)[repeated(0, 1, 2)], numpy.eye(2)[repeated(0, 1, count=N_TEST)], "one-hot with 2 columns, that"),
        (repeated(0, 1, 2), numpy.eye(3)[repeated(0, 1, count=N_TEST)], "one-hot with 3 columns, that of train"),
    ],
)  # fmt: skip
def test_labels_that_mean_other_classes_in_each_split_are_refused(train, test, line, tmp_path):
    with pytest.raises(SourceError, match=rf"test_labels is {line}[^\n]*: save the classes of both in one way$"):
        read_own_data(save_npz(tmp_path / "file.npz", labelled(train, test)))
