"""A user's own images: read in pieces, standardised or unchanged, and refused in one line with the remedy."""

import json
import logging
import re
import sys
import tracemalloc
import zipfile
from unittest.mock import patch

import generate_dataset
import h5py
import import_dataset
import numpy
import pytest
from data.own_files import SAVERS, import_whole, own_arrays, save_compressed_hdf5, save_hdf5, save_npy, save_npz
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.data import formats
from widthwise.data.arrays import measure, read_own_data
from widthwise.data.samples import SourceError
from widthwise.data.storage import Pieces, read_dataset, write_dataset

FORMATS = pytest.mark.parametrize("save", SAVERS)

# What is imported


@FORMATS
@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 9, 1), (28, 20), (30,), (1,)])
def test_images_of_any_sides_are_standardised_by_the_training_images(save, shape, tmp_path):
    originals = own_arrays(shape=shape)
    arrays, own = import_whole(save(tmp_path / "mine.npz", originals), tmp_path / "d.h5", channels="none")
    mean, deviation = originals["train_images"].mean(), originals["train_images"].std()
    assert own.shape == (1, *shape)
    assert own.scaling == {"mean": [pytest.approx(mean)], "standard_deviation": [pytest.approx(deviation)]}
    assert (own.classes, own.class_counts) == (["0", "1", "2"], {"train": [12, 8, 4], "test": [2, 2, 2]})
    for split in ("train", "test"):
        images, labels = arrays[f"{split}/images"], arrays[f"{split}/labels"]
        assert (images.dtype, labels.dtype) == (numpy.float32, numpy.uint8)
        expected = (originals[f"{split}_images"][:, None] - mean) / deviation
        numpy.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)
        assert numpy.array_equal(labels, originals[f"{split}_labels"].ravel())


TYPES = ["?", "i1", "u1", "<i2", ">i2", "<u2", ">u4", "<i8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g"]


@given(
    sides=st.lists(st.integers(5, 7), min_size=1, max_size=3),
    count=st.integers(1, 4),
    place=st.sampled_from(["none", "first", "last"]),
    types=st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)),
    fortran=st.booleans(),
    save=st.sampled_from(SAVERS),
    piece_bytes=st.integers(1, 2**14),
    standardise=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60)
def test_whatever_type_order_place_and_format_the_same_samples_are_imported(
    sides, count, place, types, fortran, save, piece_bytes, standardise, data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("same")
    channels = 1 if place == "none" else count
    seed = data.draw(st.integers(0, 99))
    images = numpy.random.default_rng(seed).integers(0, 2, (6, channels, *sides))
    images[0].flat[:], images[1].flat[:] = 0, 1  # no channel is constant
    labels = numpy.arange(6) % 2

    def written(dtype):
        moved = {"none": images[:, 0], "first": images, "last": numpy.moveaxis(images, 1, -1)}[place].astype(dtype)
        return numpy.asfortranarray(moved) if fortran else numpy.ascontiguousarray(moved)

    def arrays(train, test):
        return {"train_images": train, "train_labels": labels, "test_images": test, "test_labels": labels}

    settings = {"standardise": standardise}
    plain = arrays(images.astype("f8"), images.astype("f8"))
    with patch.object(formats, "PIECE_BYTES", piece_bytes):
        expected, _ = import_whole(save_npz(folder / "plain.npz", plain), folder / "e.h5", channels="first", **settings)
        path = save(folder / "mine.npz", arrays(*map(written, types)))
        found, own = import_whole(path, folder / "d.h5", channels=place, **settings)
    assert own.shape == (channels, *sides)
    assert expected.keys() == found.keys()
    assert all(numpy.array_equal(found[name], expected[name]) for name in expected)
    if not standardise:
        assert numpy.array_equal(found["train/images"], images)


@given(seed=st.integers(0, 99), count=st.integers(1, 7), data=st.data())
def test_statistics_of_pieces_equal_those_of_the_whole(seed, count, data):
    images = numpy.random.default_rng(seed).normal(1e3, 1e-2, (count, 3, 2, 2))
    cuts = data.draw(st.lists(st.integers(1, count), max_size=3, unique=True).map(sorted))
    parts = [part for part in numpy.split(images, cuts) if len(part)]
    found = measure(Pieces(images.shape, images.dtype, lambda: iter(parts)))
    axes = (0, 2, 3)
    assert numpy.array_equal(found.least, images.min(axes))
    assert numpy.array_equal(found.greatest, images.max(axes))
    numpy.testing.assert_allclose(found.mean, images.mean(axes), rtol=1e-12)
    numpy.testing.assert_allclose(found.standard_deviation, images.std(axes), rtol=1e-6)


def test_each_channel_has_its_own_mean_and_deviation(tmp_path):
    images = own_arrays(shape=(6, 7, 3))
    for split in ("train", "test"):
        images[f"{split}_images"] = images[f"{split}_images"] * numpy.array([1, 100, 1e-4]) + numpy.array([0, 5, 1e3])
    arrays, own = import_whole(save_npz(tmp_path / "file.npz", images), tmp_path / "d.h5", channels="last")
    assert own.shape == (3, 6, 7)
    numpy.testing.assert_allclose(own.scaling["mean"], images["train_images"].mean((0, 1, 2)))
    numpy.testing.assert_allclose(arrays["train/images"].mean((0, 2, 3)), 0, atol=1e-5)
    numpy.testing.assert_allclose(arrays["train/images"].std((0, 2, 3)), 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["u8", "i8", "f8", "g"])
def test_large_numbers_are_standardised(dtype, tmp_path):
    images = own_arrays()["train_images"].astype(dtype) * numpy.array(4e16, dtype)
    arrays = own_arrays() | {"train_images": images, "test_images": images[:6]}
    found, _ = import_whole(save_npz(tmp_path / "file.npz", arrays), tmp_path / "d.h5")
    expected, _ = import_whole(save_npz(tmp_path / "same.npz", own_arrays()), tmp_path / "e.h5")
    numpy.testing.assert_allclose(found["train/images"], expected["train/images"], rtol=1e-5, atol=1e-6)


def test_val_is_the_test_split_where_there_is_none(tmp_path):
    arrays = {name.replace("test", "val"): array for name, array in own_arrays().items()}
    found, own = import_whole(save_npz(tmp_path / "file.npz", arrays), tmp_path / "d.h5")
    assert "there is no test split: val is the test split" in own.notes
    both = own_arrays() | {"val_images": numpy.zeros(3), "val_labels": numpy.array([print], dtype=object)}
    same, own = import_whole(save_npz(tmp_path / "both.npz", both), tmp_path / "e.h5")
    assert not any("val" in note for note in own.notes)
    assert all(numpy.array_equal(found[name], same[name]) for name in same)


@FORMATS
def test_arrays_may_have_any_names(save, tmp_path):
    path = save(tmp_path / "file.npz", own_arrays())
    expected, _ = import_whole(path, tmp_path / "e.h5")
    names = {"train/images": "X", "train/labels": "y.npy"}
    if save in (save_npz, save_npy):
        renamed = {
            name.replace("train_images", "X").replace("train_labels", "y"): a for name, a in own_arrays().items()
        }
        path = save(tmp_path / "renamed.npz", renamed)
    else:
        names = {"train/images": "/my/group/x", "train/labels": "alias/y"}
        with h5py.File(path, "a") as file:
            file.move("train/images", "my/group/x")
            file.move("train/labels", "my/group/y")
            file["alias"] = h5py.SoftLink("/my/group")
    found, _ = import_whole(path, tmp_path / "d.h5", names=names)
    assert all(numpy.array_equal(found[name], expected[name]) for name in expected)


def test_a_volume_is_scaled_as_the_cubes_are(tmp_path):
    volume = numpy.random.default_rng(1).integers(0, 200, (9, 10, 11))
    binary = own_arrays((12, 8), (2, 2))
    path = save_npz(tmp_path / "file.npz", binary | {"volume_image": volume, "volume_mask": volume > 99})
    found, own = import_whole(path, tmp_path / "d.h5")
    scaled = (volume - own.scaling["mean"][0]) / own.scaling["standard_deviation"][0]
    numpy.testing.assert_allclose(found["volume/image"], scaled, rtol=1e-5, atol=1e-6)
    assert numpy.array_equal(found["volume/mask"], volume > 99)
    flat = own_arrays(shape=(8, 8)) | {"volume_image": volume}
    assert "volume/image" not in read_own_data(save_npz(path, flat)).arrays


@FORMATS
def test_a_large_file_is_read_in_pieces(save, tmp_path, monkeypatch):
    path = save(tmp_path / "large.npz", own_arrays(counts=(1000, 600, 448), shape=(16, 16, 16)))
    means, peaks = [], []
    for piece in (2**18, 2**20):
        monkeypatch.setattr(formats, "PIECE_BYTES", piece)
        tracemalloc.start()
        own = read_own_data(path)
        digest = write_dataset(tmp_path / "d.h5", own.arrays, {})
        means.append(own.statistics.mean)
        images = read_dataset(tmp_path / "d.h5", digest)["train/images"]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    numpy.testing.assert_allclose(*means, rtol=1e-12)
    assert peaks[0] < images.nbytes / 16 < peaks[1] < images.nbytes / 4


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


def import_file(monkeypatch, tmp_path, path, training=None, **settings):
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
        settings=json.dumps({"channels": None, "standardise": True, "names": {}} | settings),
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
    imported = import_file(monkeypatch, tmp_path, made["dataset"], channels="first", standardise=False)
    generated = json.loads(made["summary"].read_text())
    assert imported["digest"] == generated["digest"]
    assert imported["class_counts"] == generated["class_counts"]
    assert (imported["shape"], imported["classes"], imported["scaling"]) == ([1, 8, 8, 8], ["0", "1"], None)


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
    import_file(monkeypatch, tmp_path, save_npz(tmp_path / "file.npz", arrays), standardise=False)
    mean, deviation = (f"{value:.4g}" for value in (arrays["train_images"].mean(), arrays["train_images"].std()))
    assert re.search(rf"images have mean \S+, standard deviation {deviation}, least -?\S+, greatest \S+", caplog.text)
    assert not shift or f"mean {mean}" in caplog.text
    assert ("warning: training images are far from standardised" in caplog.text) == warned


MIXED = "warning: one split holds integers, the other floating-point numbers: check that both have one scale"


def test_the_log_tells_what_was_done_with_channels_labels_and_splits(tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level(logging.INFO)
    arrays = own_arrays(shape=(6, 5, 2)) | {
        "train_labels": numpy.eye(8)[labels(7, 3, 5)],
        "test_labels": numpy.eye(8)[[3, 5, 7] * 2],
    }
    arrays["test_images"] = arrays["test_images"].astype("f4")
    summary = import_file(monkeypatch, tmp_path, save_npz(tmp_path / "file.npz", arrays), channels="last")
    assert summary["shape"] == [2, 6, 5]
    assert summary["classes"] == ["3", "5", "7"]
    assert len(summary["scaling"]["mean"]) == len(summary["scaling"]["standard_deviation"]) == 2
    for line in (
        "images have 2 spatial axes of 6 x 5, 2 channels, last",
        "labels are one-hot, with 8 columns",
        "classes are numbered: 3 is 0, 5 is 1, 7 is 2",
        MIXED,
        "greatest 199 in channel 1",
        "images are standardised by the mean and the standard deviation",
    ):
        assert line in caplog.text
    assert "labels are one-hot, with 8 columns" in summary["notes"]
    assert capsys.readouterr().out == f"{tmp_path / 'file.npz'}: {MIXED}\n"


def filled(value, of_images=3, places=...):
    """Images every third of which, or one voxel of it, holds a fill value."""
    images = own_arrays()["train_images"].astype("f8")
    images[::of_images][places] = value
    return images


WARNED = r"warning: {} images hold {}, while half of all others are \d+ to \d+: replace it if it is a fill value \(no"


@pytest.mark.parametrize(
    ("split", "images", "line"),
    [
        ("train", filled(-9999, places=(slice(None), 1, 2, 3)), WARNED.format("training", -9999)),
        ("test", filled(-9999, places=(slice(None), 1, 2, 3))[:6], WARNED.format("test", -9999)),
        ("train", filled(1e8), WARNED.format("training", r"1e\+08")),
        ("train", filled(0, 1, slice(20)), "warning: 20 of 24 training images are constant$"),
        ("test", filled(0, 1, slice(2))[:6], "warning: 2 of 6 test images are constant$"),
    ],
)
def test_images_that_seem_unfinished_are_warned_of(split, images, line, tmp_path):
    notes = read_own_data(save_npz(tmp_path / "file.npz", own_arrays() | {f"{split}_images": images})).notes
    assert any(re.match(line, note) for note in notes), notes


@pytest.mark.parametrize(
    ("counts", "line"),
    [((12, 12), None), ((14, 10), None), ((20, 4), "0.451 nats, not log(2) = 0.693"), ((20, 2, 2), "0.566 nats, not")],
)
def test_unbalanced_classes_are_warned_of_with_the_cost_of_a_constant_answer(counts, line, tmp_path):
    notes = read_own_data(save_npz(tmp_path / "file.npz", own_arrays(counts, (2,) * len(counts)))).notes
    told = [note for note in notes if "unbalanced" in note]
    assert len(told) == (line is not None)
    assert all(f"without class weights, the best constant answer costs {line}" in note for note in told)


@given(
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
    shift=st.sampled_from([0.0, 1.0, -1e3]),
    share=st.floats(0.01, 1),
    tail=st.sampled_from(["normal", "exponential", "uniform"]),
)
@settings(max_examples=30)
def test_images_without_a_fill_value_are_not_warned_of(scale, shift, share, tail, tmp_path_factory):
    generator = numpy.random.default_rng(0)
    images = getattr(generator, tail)(size=(24, 8, 8))
    images[generator.random(images.shape) > share] = 0  # background
    images[0].flat[:2] = 1, 2
    arrays = own_arrays() | {"train_images": (images + shift) * scale, "test_images": (images[:6] + shift) * scale}
    path = save_npz(tmp_path_factory.mktemp("plain") / "file.npz", arrays)
    assert not any("fill" in note for note in read_own_data(path).notes)


def test_settings_that_the_data_cannot_serve_are_refused(tmp_path, monkeypatch):
    training = {"baseline": {"batch_size": 25, "epochs": 9, "class_weights": None}}
    with pytest.raises(
        SourceError, match=r"training samples \[12, 8, 4\]: circumstances\.baseline: training\.batch_size"
    ):
        import_file(monkeypatch, tmp_path, save_npz(tmp_path / "file.npz", own_arrays()), training)
    assert not (tmp_path / "own.h5").exists()


# What is refused


def changed(**arrays):
    return lambda path: save_npz(path, own_arrays() | arrays)


def without(*names):
    return lambda path: save_npz(path, {key: value for key, value in own_arrays().items() if key not in names})


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


def single_npy(path):
    with path.open("wb") as stream:
        numpy.save(stream, IMAGES)


def zipped_pickle(path):
    """As torch.save writes it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


def cut_short(path):
    path.write_bytes(save_npz(path, own_arrays()).read_bytes()[:999])


def torn(save):
    def make(path):
        save(path, own_arrays())
        file = path / "train_images.npy" if path.is_dir() else path
        content = bytearray(file.read_bytes())
        content[len(content) // 3 : len(content) // 3 + 64] = bytes(64)
        file.write_bytes(content if save is not save_npy else content[:-1])

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


def link_through_a_dangling_group(file, images):
    file.move("train/labels", "moved")
    del file["train"]
    file["train"] = h5py.SoftLink("/gone")


def linked_elsewhere(file, images):
    file["alias"] = h5py.SoftLink("/test/images")


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
VOLUMES = {"volume_image": IMAGES[0], "volume_mask": IMAGES[0]}
FOUND = r"found test/images, test/labels, train/labels: save it, or write dataset\.names: \{train/images: ITS NAME\}$"
REPLACE = "replace it with a finite number$"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, "cannot be read: No such file or directory$"),
        (lambda path: path.mkdir(), "test_images and val_images are missing, found no arrays: save it"),
        (cut_short, "is neither HDF5, .*; or it is damaged: copy it again$"),
        (lambda path: path.write_text("0,1,2\n"), r"is neither HDF5, \.npz nor a table .*: save it with h5py or"),
        (zipped_pickle, r"is neither HDF5, \.npz nor a table .*: save it with h5py or `numpy\.savez_compressed`"),
        (single_npy, r"is neither HDF5, .* or give a folder with train/CLASS/"),
        (without("train_images"), "train_images is missing, found test_images, test_labels, train_labels: save it, or"),
        (without("test_labels"), "test_labels is missing, found "),
        (without("test_labels", "test_images"), "test_images and val_images are missing, found train_images, train_la"),
        (floats(numpy.nan), f"train_images holds nan in entry 17: {REPLACE}"),
        (floats(-numpy.inf), f"train_images holds -inf in entry 17: {REPLACE}"),
        (floats(9.97e36), r"train_images holds 9\.97e\+36 in entry 17: replace it if it is a fill value"),
        (floats(-3e19), r"train_images holds -3e\+19 in entry 17: .*, otherwise rescale the images$"),
        (floats(1e300, numpy.float64), r"train_images holds 1e\+300 in entry 17: replace it if it is a fill value"),
        (changed(test_images=IMAGES[:6] * 1e18), r"test_images holds .*e\+20 in entry 0: "),
        (changed(train_images=IMAGES * 1e-90, test_images=IMAGES[:6]), "test_images holds .* entry 0 after conver"),
        (changed(train_images=IMAGES * 1e-200), r"train_images is 0 to 1\.99e-198 in every entry: rescale the images$"),
        (changed(train_images=IMAGES[0, 0, 0]), r"train_images has shape \(8,\): save it as \(n, \*spatial\), with 1"),
        (changed(train_images=IMAGES[:, :0]), r"train_images has shape \(24, 0, 8, 8\): save it as \(n, \*spatial\)"),
        (changed(train_images=IMAGES.T.copy()), r"train_images has shape \(8, 8, 8, 24\), n last .* with `images\.T`"),
        *(
            (
                changed(train_images=numpy.ones((24, *shape)), test_images=numpy.ones((6, *shape))),
                rf"train_images has shape {re.escape(str((24, *shape)))}, perhaps with .* none, first or last$",
            )
            for shape in [(1, 8, 8, 8), (8, 8, 8, 1), (28, 28, 3), (2, 28, 28), (4, 30), (9, 9, 9, 9)]
        ),
        (changed(test_images=IMAGES[:6, :7]), "test_images has samples of 7 x 8 x 8, training of 8 x 8 x 8: cut"),
        *(
            (changed(train_images=IMAGES.astype(kind)), rf"train_images holds {name}: save real numbers$")
            for kind, name in (("complex64", "complex64"), ("U3", "text"), ("M8[s]", r"datetime64\[s\]"))
        ),
        (changed(train_images=filled(1e15)), r"train_images holds 1e\+15, while half .*, which float32 cannot tell"),
        (changed(train_images=filled(1e15, 1, slice(22))), r"train_images holds 1e\+15, while half .*: replace it if"),
        (changed(train_images=filled(-1e15, 24, (0, 1, 2, 3))), r"train_images holds -1e\+15, while .*: replace"),
        (changed(train_images=IMAGES * 0), "train_images is 0 in every entry: save images that vary"),
        (changed(train_images=IMAGES * 0 + 0.1, test_images=IMAGES[:6] / 9), r"train_images is 0\.1 in every entry"),
        (changed(test_images=IMAGES[:1]), "test_images has 1 samples: save at least 2"),
        (changed(train_images=IMAGES[:0]), "train_images has 0 samples: save at least 2"),
        (changed(train_images=numpy.array([Trap()] * 24, dtype=object)), "train_images holds Python objects, which"),
        (changed(volume_mask=IMAGES[0]), "volume_image is missing"),
        (
            changed(train_labels=labels(0, 1), test_labels=labels(0, 1)[:6], **VOLUMES),
            "volume_mask holds other values than 0 and 1: save 1 in the foreground",
        ),
        *(
            (
                changed(train_labels=labels(*of), test_labels=labels(*of)[:6], **VOLUMES),
                f"volume_mask needs classes 0 and 1, found {found}: relabel the samples, or leave volume/ out$",
            )
            for of, found in [((0, 1, 2), "0 to 2"), ((1, 2), "1 to 2"), (("no", "yes"), "no to yes")]
        ),
        (changed(volume_image=IMAGES[0, :7], volume_mask=IMAGES[0]), r"volume_image has shape \(7, 8, 8\): save it as"),
        (changed(volume_image=IMAGES[0] * 1j, volume_mask=IMAGES[0]), "volume_image holds complex128: save real"),
        (changed(volume_image=IMAGES[0], volume_mask=IMAGES[0, :7]), r"volume_mask has shape \(7, 8, 8\): save"),
        (torn(save_npy), r"train_images cannot be read \(.*\): if the file is incomplete, copy it again$"),
        (torn(save_npz), r"train_images cannot be read \(.*\): if the file is incomplete, copy it again$"),
        (torn(save_compressed_hdf5), r"train/images cannot be read \(.*\): if the file is incomplete"),
        (edited(group), f"train/images is missing, {FOUND}"),
        (edited(dangling_link), "train/images is a link to /nowhere, which is not there: save it in its place$"),
        (edited(link_through_a_dangling_group), "train/images is a link to /gone, which is not there: save it"),
        (edited(linked_elsewhere), "train/images is missing, found alias, test/images, test/labels, train/labels: "),
        (edited(external_link), r"train/images is an external link to other\.h5: write it into one file,"),
        (edited(dangling_external_group), r"train/images is an external link to gone\.h5"),
        (edited(link_to_an_external_link), r"train/images is an external link to .*other\.h5"),
        (edited(virtual), r"train/images is a virtual dataset, .*: check .* is there, then write it into one file"),
        (edited(stored_outside), r"train/images is stored outside the file, in .*raw\.bin: write it into one file"),
        (edited(unwritten), "train/images has 0 of its 1 chunks, the rest was never written"),
        (edited(half_written), "train/images has 2 of its 5 chunks, the rest was never written"),
        (edited(with_an_unknown_filter), r"train/images is compressed by HDF5 filter 32001 \(unnamed\), .*'gzip'"),
        (edited(times), "train/images has a type that numpy lacks"),
        (edited(without_values), r"train/images has shape \(\)"),
        (edited(text), "train/images holds text: save real numbers"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_file_array_and_remedy(make, line, tmp_path):
    path = tmp_path / "file.npz"
    make(path)
    with pytest.raises(SourceError) as refused:
        write_dataset(tmp_path / "d.h5", read_own_data(path).arrays, {})
    assert re.search(f"^{re.escape(str(path))}:? {line}", str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("shape", "channels", "axes"),
    [((7, 7, 7, 7), "none", 4), ((9,), "first", 0), ((9,), "last", 0), ((3, 6, 6, 6, 6), "first", 4)],
)
def test_channels_that_leave_no_spatial_axis_or_too_many_are_refused(shape, channels, axes, tmp_path):
    path = save_npz(tmp_path / "file.npz", own_arrays(shape=shape))
    with pytest.raises(
        SourceError, match=rf", which are {axes} spatial axes with dataset\.channels: {channels}; save 1"
    ):
        read_own_data(path, channels=channels)


def test_a_file_that_another_program_holds_open_is_in_use(held_open, tmp_path):
    path = save_hdf5(tmp_path / "file.h5", own_arrays())
    with held_open(path), pytest.raises(SourceError, match=r"file\.h5 is in use by another program: close it there"):
        read_own_data(path)
    assert read_own_data(path)
