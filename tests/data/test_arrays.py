"""A user's own cubes: read in pieces, standardised or unchanged, and refused in one line with the remedy."""

import json
import logging
import re
import sys
import tracemalloc
from unittest.mock import patch

import generate_dataset
import h5py
import import_dataset
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from widthwise.data import formats
from widthwise.data.arrays import measure, read_own_data
from widthwise.data.formats import DataError
from widthwise.data.storage import Pieces, read_dataset, write_dataset

SPELLINGS = {f"{split}/{what}": f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")}


def own_arrays(counts=(12, 8, 4), test=(2, 2, 2), side=8):
    """Random uint8 cubes, named as in an .npz file; labels (n, 1)."""
    generator = numpy.random.default_rng(0)
    arrays = {}
    for split, of_class in (("train", counts), ("test", test)):
        labels = generator.permutation(numpy.repeat(numpy.arange(len(of_class)), of_class)).astype(numpy.uint8)
        images = generator.integers(0, 200, (len(labels), side, side, side), dtype=numpy.uint8)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


def save_npz(path, arrays):
    numpy.savez_compressed(path, **arrays)
    return path


def save_hdf5(path, arrays, **options):
    with h5py.File(path, "w") as file:
        for name, spelling in SPELLINGS.items():
            if spelling in arrays:
                file.create_dataset(name, data=arrays[spelling], **options)
    return path


def save_compressed_hdf5(path, arrays):
    return save_hdf5(path, arrays, compression="gzip", chunks=True)


FORMATS = pytest.mark.parametrize("save", [save_npz, save_hdf5, save_compressed_hdf5])


def import_whole(path, target):
    """What is in our file once `path` is imported, and what was measured."""
    own = read_own_data(path)
    return read_dataset(target, write_dataset(target, own.arrays, {})), own


# What is imported


@FORMATS
def test_uint8_images_are_standardised_by_the_training_images(save, tmp_path):
    originals = own_arrays()
    arrays, own = import_whole(save(tmp_path / "file.npz", originals), tmp_path / "d.h5")
    mean, deviation = originals["train_images"].mean(), originals["train_images"].std()
    assert own.scaling == pytest.approx({"mean": mean, "standard_deviation": deviation})
    assert own.class_counts == {"train": [12, 8, 4], "test": [2, 2, 2]}
    for split in ("train", "test"):
        images, labels = arrays[f"{split}/images"], arrays[f"{split}/labels"]
        assert (images.dtype, labels.dtype) == (numpy.float32, numpy.uint8)
        expected = (originals[f"{split}_images"][:, None] - mean) / deviation
        numpy.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)
        assert numpy.array_equal(labels, originals[f"{split}_labels"].ravel())


@given(
    images=npst.arrays(
        st.sampled_from([numpy.dtype(t) for t in ("<f2", "<f4", ">f4", "<f8")]),
        st.tuples(st.integers(2, 5), *[st.just(8)] * 3),
        elements=st.floats(-100, 100, width=16),
        fill=st.just(0.5),
    ).filter(lambda images: images.min() < images.max()),
    save=st.sampled_from([save_npz, save_hdf5, save_compressed_hdf5]),
    piece_bytes=st.integers(1, 2**14),
)
@settings(max_examples=40)
def test_floating_point_images_come_through_unchanged_in_pieces_of_any_size(
    images, save, piece_bytes, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("floats")
    labels = numpy.arange(len(images)) % 2
    path = save(
        folder / "file.npz",
        {"train_images": images, "train_labels": labels, "test_images": images.astype(">f4"), "test_labels": labels},
    )
    whole, own = import_whole(path, folder / "whole.h5")
    with patch.object(formats, "PIECE_BYTES", piece_bytes):
        in_pieces, _ = import_whole(path, folder / "pieces.h5")
    assert own.scaling is None
    assert numpy.array_equal(whole["train/images"], images.astype(numpy.float32)[:, None])
    assert numpy.array_equal(whole["test/images"], whole["train/images"])
    assert all(numpy.array_equal(whole[name], in_pieces[name]) for name in whole)


@given(seed=st.integers(0, 99), count=st.integers(1, 7), data=st.data())
def test_statistics_of_pieces_equal_those_of_the_whole(seed, count, data):
    images = numpy.random.default_rng(seed).normal(1e3, 1e-2, (count, 2, 2, 2)).astype(numpy.float32)
    cuts = data.draw(st.lists(st.integers(1, count), max_size=3, unique=True).map(sorted))
    parts = [part for part in numpy.split(images, cuts) if len(part)]
    found = measure(Pieces(images.shape, images.dtype, lambda: iter(parts)))
    assert (found.least, found.greatest) == (images.min(), images.max())
    assert found.mean == pytest.approx(images.mean(dtype=numpy.float64), rel=1e-12)
    assert found.standard_deviation == pytest.approx(images.std(dtype=numpy.float64), rel=1e-6)


@FORMATS
def test_a_large_file_is_read_in_pieces(save, tmp_path, monkeypatch):
    path = save(tmp_path / "large.npz", own_arrays(counts=(1000, 600, 448), side=16))
    digests, peaks = set(), []
    for piece in (2**18, 2**20):
        monkeypatch.setattr(formats, "PIECE_BYTES", piece)
        tracemalloc.start()
        own = read_own_data(path)
        digests.add(digest := write_dataset(tmp_path / "d.h5", own.arrays, {}))
        images = read_dataset(tmp_path / "d.h5", digest)["train/images"]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(digests) == 1
    assert peaks[0] < images.nbytes / 8 < peaks[1] < images.nbytes


@pytest.mark.parametrize("link", ["hard", "soft", "soft group"])
def test_links_within_a_file_work(link, tmp_path):
    path = save_hdf5(tmp_path / "file.h5", own_arrays())
    expected, _ = import_whole(path, tmp_path / "expected.h5")
    with h5py.File(path, "a") as file:
        if link == "soft group":
            file.move("train", "moved")
            file["train"] = h5py.SoftLink("/moved")
        else:
            file.move("train/images", "moved")
            file["train/images"] = file["moved"] if link == "hard" else h5py.SoftLink("/moved")
    arrays, _ = import_whole(path, tmp_path / "d.h5")
    assert all(numpy.array_equal(arrays[name], expected[name]) for name in expected)


def test_other_arrays_are_not_looked_at(tmp_path):
    path = save_npz(tmp_path / "file.npz", own_arrays() | {"val_images": numpy.array([print], dtype=object)})
    assert read_own_data(path)
    path = save_hdf5(tmp_path / "file.h5", own_arrays())
    with h5py.File(path, "a") as file:
        h5py.h5d.create(file.id, b"acquired", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((3,)))
        file["raw"] = h5py.ExternalLink("nowhere.h5", "/raw")
        file.create_dataset("unwritten", (9,), "f4")
    assert read_own_data(path)


# The program


def run_program(monkeypatch, program, **arguments):
    words = [word for key, value in arguments.items() for word in (f"--{key}", str(value))]
    monkeypatch.setattr(sys, "argv", [f"{program.__name__}.py", *words])
    program.main()


def import_file(monkeypatch, tmp_path, path, training=None):
    requirements = {
        "evaluation": {"row_interval": 1, "starting_batches": 16},
        "decay_step": 4,
        "end_window": 0.1,
        "training": training or {},
    }
    run_program(
        monkeypatch,
        import_dataset,
        source=json.dumps({"path": str(path)}),
        requirements=json.dumps(requirements),
        dataset=tmp_path / "own.h5",
        summary=tmp_path / "own.json",
    )
    return json.loads((tmp_path / "own.json").read_text())


def test_cubes_of_a_synthetic_dataset_can_be_imported(tmp_path, monkeypatch):
    generator = {
        "seed": 0, "train_volumes": 1, "test_volumes": 1, "train_cubes": 12, "test_cubes": 6, "cube_side": 8,
        "positive_fraction": 0.5, "volume_side": 16, "smoothness": 2, "foreground_fraction": 0.4, "blur": 1, "noise": 1,
    }  # fmt: skip
    made = {"dataset": tmp_path / "seed0.h5", "summary": tmp_path / "seed0.json"}
    run_program(monkeypatch, generate_dataset, settings=json.dumps(generator), draw=0, **made)
    with h5py.File(made["dataset"], "r+") as file:
        for name in ("train/images", "test/images"):
            images = file[name][:, 0]
            del file[name]
            file[name] = images
    imported = import_file(monkeypatch, tmp_path, made["dataset"])
    generated = json.loads(made["summary"].read_text())
    assert {key: imported[key] for key in ("digest", "class_counts", "cube_side", "scaling")} == {
        **{key: generated[key] for key in ("digest", "class_counts", "cube_side")},
        "scaling": None,
    }


@pytest.mark.parametrize(
    ("factor", "shift", "warned"), [(1, 0, False), (1, 9, False), (1, 11, True), (101, 0, True), (0.009, 0, True)]
)
def test_the_log_has_the_images_statistics_and_warns_if_they_are_far_from_standardised(
    factor, shift, warned, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    arrays = own_arrays()
    for split in ("train", "test"):
        images = arrays[f"{split}_images"]
        arrays[f"{split}_images"] = (images - images.mean()) / images.std() * factor + shift
    import_file(monkeypatch, tmp_path, save_npz(tmp_path / "file.npz", arrays))
    mean, deviation = (f"{value:.4g}" for value in (arrays["train_images"].mean(), arrays["train_images"].std()))
    assert re.search(rf"images have mean \S+, standard deviation {deviation}, least -?\S+, greatest \S+", caplog.text)
    assert not shift or f"mean {mean}" in caplog.text
    assert ("warning: training images are far from standardised" in caplog.text) == warned


def test_settings_that_the_data_cannot_serve_are_refused(tmp_path, monkeypatch):
    training = {"baseline": {"batch_size": 25, "epochs": 9, "class_weights": None}}
    with pytest.raises(DataError, match=r"training cubes \[12, 8, 4\]: circumstances\.baseline: training\.batch_size"):
        import_file(monkeypatch, tmp_path, save_npz(tmp_path / "file.npz", own_arrays()), training)
    assert not (tmp_path / "own.h5").exists()


# What is refused


def changed(**arrays):
    return lambda path: save_npz(path, own_arrays() | arrays)


def without(name):
    return lambda path: save_npz(path, {key: value for key, value in own_arrays().items() if key != name})


def labels(*values, dtype=None):
    return numpy.resize(numpy.array(values, dtype=dtype), 24)


def floats(value, dtype=numpy.float32):
    images = own_arrays()["train_images"].astype(dtype)
    images[17, 1, 2, 3] = value
    return changed(train_images=images, test_images=images[:6] * 0)


class Trap:
    """What runs code where it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def torn(save):
    def make(path):
        save(path, own_arrays())
        content = bytearray(path.read_bytes())
        content[len(content) // 3 : len(content) // 3 + 64] = bytes(64)
        path.write_bytes(content)

    return make


def edited(edit):
    """An HDF5 file whose training images are replaced."""

    def make(path):
        arrays = own_arrays()
        save_hdf5(path, {name: value for name, value in arrays.items() if name != "train_images"})
        with h5py.File(path, "a") as file:
            edit(file, arrays["train_images"])

    return make


def group(file, images):
    file.create_group("train/images")


def another_file(file, images):
    name = file.filename.replace("file.npz", "other.h5")
    with h5py.File(name, "w") as other:
        other["images"] = images
    return name


def external_link(file, images):
    another_file(file, images)
    file["train/images"] = h5py.ExternalLink("other.h5", "/images")


def dangling_external_group(file, images):
    del file["train"]
    file["train"] = h5py.ExternalLink("gone.h5", "/")


def link_to_an_external_link(file, images):
    another_file(file, images)
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/images")
    file["train/images"] = h5py.SoftLink("/elsewhere")


def dangling_link(file, images):
    file["train/images"] = h5py.SoftLink("/nowhere")


def virtual(file, images):
    layout = h5py.VirtualLayout(images.shape, images.dtype)
    layout[:] = h5py.VirtualSource(another_file(file, images), "images", shape=images.shape)
    file.create_virtual_dataset("train/images", layout)


def stored_outside(file, images):
    outside = [(file.filename.replace("file.npz", "raw.bin"), 0, images.nbytes)]
    file.create_dataset("train/images", data=images, external=outside)


def unwritten(file, images):
    file.create_dataset("train/images", images.shape, images.dtype)


def half_written(file, images):
    file.create_dataset("train/images", images.shape, images.dtype, chunks=(5, 8, 8, 8))[:10] = images[:10]


def with_an_unknown_filter(file, images):
    file.create_dataset("train/images", data=images, compression=32001, allow_unknown_filter=True)


def times(file, images):
    h5py.h5d.create(file["train"].id, b"images", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple(images.shape))


def without_values(file, images):
    file["train/images"] = h5py.Empty("f4")


def text(file, images):
    file["train/images"] = ["a", "b"]


IMAGES = own_arrays()["train_images"]
FOUND = "the file has test/images, test/labels, train/labels$"
REPLACE = "replace it with a finite number$"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, "cannot be read: No such file or directory$"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory$"),
        (lambda path: path.write_text("0,1,2\n"), r"is neither HDF5 nor \.npz: save it with h5py or `numpy\.savez"),
        (without("train_images"), "train_images is missing: the file has test_images, test_labels, train_labels$"),
        (without("test_labels"), "test_labels is missing: the file has "),
        (changed(train_labels=labels(0, 1)[:23]), "train_labels has 23 labels for 24 cubes: save one label for each"),
        (floats(numpy.nan), f"train_images holds nan in entry 17: {REPLACE}"),
        (floats(-numpy.inf), f"train_images holds -inf in entry 17: {REPLACE}"),
        (floats(-3e18), r"train_images holds -3e\+18 in entry 17: rescale the images$"),
        (floats(1e300, numpy.float64), r"train_images holds 1e\+300 in entry 17: rescale the images$"),
        (changed(train_labels=labels(1)), "train_labels has one class only, 1: save cubes of two or more"),
        (changed(train_labels=labels(0, 1.5)), r"train_labels holds 1\.5: save whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, numpy.nan)), "train_labels holds nan: save whole numbers"),
        (changed(train_labels=labels(-1, 1)), "train_labels holds -1: save whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, 256)), "train_labels holds 256: save whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, 2)), "train_labels has no cube of class 1, but of class 2: number classes"),
        (changed(train_labels=labels("a", "b")), "train_labels holds text: save numbers, .* `numpy.unique"),
        (changed(train_labels=labels(0, 1j)), "train_labels holds complex128: save whole numbers$"),
        (changed(train_labels=labels(1, 2)), "train_labels has classes 1 to 2: number them from 0, with `labels - 1`$"),
        (changed(train_labels=numpy.zeros((24, 14))), r"train_labels has shape \(24, 14\): save one class per cube, "),
        (changed(train_labels=numpy.zeros((1, 24))), r"train_labels has shape \(1, 24\), n last .*: save `labels\.T`$"),
        (changed(train_labels=numpy.zeros((24, 1, 1))), r"train_labels has shape \(24, 1, 1\): save it as \(n,\) or"),
        (changed(train_labels=numpy.int64(1)), r"train_labels has shape \(\): save it as \(n,\) or \(n, 1\)$"),
        (changed(train_labels=numpy.array([Trap()] * 24, dtype=object)), "train_labels holds Python objects or text"),
        (changed(test_labels=numpy.arange(6)), "test_labels has class 5, training does not"),
        (changed(train_images=IMAGES[0]), r"train_images has shape \(8, 8, 8\): save it as \(n, side, side, side\)"),
        (changed(train_images=IMAGES[:, None]), r"train_images has shape \(24, 1, 8, 8, 8\): .* `images\[:, 0\]`$"),
        (changed(train_images=IMAGES[..., None]), r"train_images has shape \(24, 8, 8, 8, 1\): .*\[\.\.\., 0\]`$"),
        (changed(train_images=IMAGES.T.copy()), r"train_images has shape \(8, 8, 8, 24\), n last .* with `images\.T`"),
        (changed(train_images=numpy.zeros((24, 28, 28, 3), "u1")), r"train_images has shape \(24, 28, 28, 3\), which"),
        (changed(train_images=numpy.zeros((24, 28, 28), "u1")), r"train_images has shape \(24, 28, 28\): save it as"),
        (changed(train_images=IMAGES[:, :7]), "train_images has cubes of 7 x 8 x 8 voxels: cut or pad them to three"),
        (changed(train_images=IMAGES[:, :7, :7, :7]), "train_images has cubes of 7 x 7 x 7 voxels: .* of 8 to 64"),
        (changed(test_images=numpy.zeros((6, 9, 9, 9), "u1")), "test_images has sides of 9 voxels, .* of 8: cut both"),
        (changed(test_images=numpy.zeros((6, 8, 8, 8))), "test_images is floating point, the training .* uint8"),
        *(
            (changed(train_images=IMAGES.astype(kind)), rf"train_images holds {kind}: convert with `\.astype\('float")
            for kind in ("int16", "uint16", "bool")
        ),
        (changed(train_images=IMAGES * 0), "train_images is 0 in every voxel: save images that vary"),
        (changed(train_images=IMAGES * 0 + 0.5, test_images=IMAGES[:6] / 9), r"train_images is 0\.5 in every voxel"),
        (changed(test_images=IMAGES[:1]), "test_images has 1 cubes: save at least 2"),
        (changed(train_images=IMAGES[:0]), "train_images has 0 cubes: save at least 2"),
        (changed(train_images=numpy.asfortranarray(IMAGES)), "train_images is in Fortran order: convert with `numpy"),
        (changed(volume_mask=IMAGES[0]), "volume_image is missing"),
        (changed(volume_image=IMAGES[0], volume_mask=IMAGES[0]), "volume_mask holds .*: save whole numbers .* 0 to 1$"),
        (changed(volume_image=IMAGES[0, :7], volume_mask=IMAGES[0]), r"volume_image has shape \(7, 8, 8\): save it as"),
        (changed(volume_image=IMAGES[0], volume_mask=IMAGES[0, :7]), r"volume_mask has shape \(7, 8, 8\): save"),
        (changed(volume_image=IMAGES[0] / 9, volume_mask=IMAGES[0]), "volume_image is floating point, the training"),
        (torn(save_npz), r"train_images cannot be read \(.*\): if the file is incomplete, copy it again$"),
        (torn(save_compressed_hdf5), r"train/images cannot be read \(.*\): if the file is incomplete"),
        (edited(group), f"train/images is missing: {FOUND}"),
        (edited(dangling_link), f"train/images is missing: {FOUND}"),
        (edited(external_link), r"train/images is an external link to other\.h5: write it into one file,"),
        (edited(dangling_external_group), r"train/images is an external link to gone\.h5"),
        (edited(link_to_an_external_link), r"train/images is an external link to .*other\.h5"),
        (edited(virtual), r"train/images is a virtual dataset \(parts in other files\): write it into one file"),
        (edited(stored_outside), r"train/images is stored outside the file, in .*raw\.bin: write it into one file"),
        (edited(unwritten), "train/images has 0 of its 1 chunks, the rest was never written"),
        (edited(half_written), "train/images has 2 of its 5 chunks, the rest was never written"),
        (edited(with_an_unknown_filter), r"train/images is compressed by HDF5 filter 32001 \(unnamed\), .*'gzip'"),
        (edited(times), "train/images has a type that numpy lacks"),
        (edited(without_values), r"train/images has shape \(\)"),
        (edited(text), "train/images holds Python objects or text"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_file_array_and_remedy(make, line, tmp_path):
    path = tmp_path / "file.npz"
    make(path)
    with pytest.raises(DataError) as refused:
        write_dataset(tmp_path / "d.h5", read_own_data(path).arrays, {})
    assert re.search(f"^{re.escape(str(path))}:? {line}", str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


def test_a_file_that_another_program_holds_open_is_in_use(held_open, tmp_path):
    path = save_hdf5(tmp_path / "file.h5", own_arrays())
    with held_open(path), pytest.raises(DataError, match=r"file\.h5 is in use by another program: close it there"):
        read_own_data(path)
    assert read_own_data(path)
