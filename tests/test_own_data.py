"""A user's own cubes: from the file to the answer, in pieces, and refused in one line before anything is trained."""

import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc

import h5py
import numpy
import pandas
import pytest
import yaml
from conftest import ROOT, copy_checkout, run_snakemake
from settings import SCHEMA, default_config
from test_config_files import merge
from test_reruns import planned

from widthwise import own_data
from widthwise.data.arrays import DataError, read_own_data
from widthwise.data.storage import read_dataset, write_dataset
from widthwise.study.plan import Study, memory_mb, minutes

README = ROOT / "README.md"
NAMES = {"train/images": "train_images", "train/labels": "train_labels"}
NAMES |= {name.replace("train", "test"): other.replace("train", "test") for name, other in NAMES.items()}


def learnable(counts=(12, 8, 4), test=(2, 2, 2), side=8):
    """Noise of uint8 with a bright slab across the axis that the class is named after; labels (n, 1) as MedMNIST's."""
    generator = numpy.random.default_rng(0)
    arrays = {}
    for split, of_class in (("train", counts), ("test", test)):
        labels = generator.permutation(numpy.repeat(numpy.arange(len(of_class)), of_class)).astype(numpy.uint8)
        images = generator.integers(0, 100, (len(labels), side, side, side), dtype=numpy.uint8)
        for image, label in zip(images, labels, strict=True):
            numpy.moveaxis(image, label % 3, 0)[side // 2] += 100
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


def save_npz(path, arrays):
    numpy.savez_compressed(path, **arrays)
    return path


def save_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, other in NAMES.items():
            if other in arrays:
                file.create_dataset(name, data=arrays[other], compression="gzip", chunks=True)
    return path


MINE = """
pathvars: {results: results/mine}
dataset: {path: cubes.npz}
widths: [1, 2, 3]
seeds: [0, 1]
study: [as_posted]
network: {stages: [1, 1, 1, 1], multipliers: [1, 1, 1, 2], activation: relu}
training: {epochs: 1, batch_size: 4, learning_rate: 1.0e-2, class_weights: [1, 1.5, 3]}
evaluation: {probe_size: 9, batch_size: 4}
analysis: {decay_step: 4, initialisations: 2, coordinate_check: []}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout whose study of its own cubes is done."""
    folder = copy_checkout(tmp_path_factory.mktemp("own") / "checkout")
    save_npz(folder / "cubes.npz", learnable())
    (folder / "mine.yaml").write_text(MINE)
    done = run_snakemake(folder, "--configfile", "mine.yaml")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def mine(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "mine", copy_function=shutil.copy2)


def test_own_cubes_go_the_whole_way_to_the_answer(finished):
    results = finished / "results/mine"
    summary = json.loads((results / "dataset.json").read_text())
    assert summary["class_counts"] == {"train": [12, 8, 4], "test": [2, 2, 2]}
    assert (summary["cube_side"], summary["source"]["path"]) == (8, "cubes.npz")
    runs = pandas.read_csv(results / "tables/runs.csv")
    assert len(runs) == 3 * 2
    assert set(runs["classes"]) == {3}
    assert not runs["diverged"].any()
    answer = (results / "answer.md").read_text()
    for words in (
        "`cubes.npz`: 24 training cubes of 8 voxels a side in 3 classes (12 of class 0, 8 of class 1, 4 of class 2)",
        "guessing costs log(3) = 1.099 nats; it starts at ",
    ):
        assert words in answer
    assert "synthetic" not in answer
    assert (results / "figures/dataset.png").exists()
    assert not list((results / "figures").glob("segmentation*"))
    run = json.loads((results / "runs/as_posted/width2/seed0/run.json").read_text())
    assert "noise" not in json.dumps(run)
    assert "val" in (results / "logs/import_dataset.log").read_text()


def test_what_a_job_asks_for_follows_from_the_data():
    study = Study(merge(default_config(), yaml.safe_load(MINE)), SCHEMA)
    assert study.extent is None
    settings = study.run_settings("as_posted", "width3", 0)

    def asked(side=8, cubes=10**4, classes=3):
        extent = {"class_counts": {"train": [cubes] * classes, "test": [2] * classes}, "cube_side": side}
        return memory_mb(settings, extent), minutes(settings, extent)

    small, larger, more = asked(), asked(side=64), asked(cubes=10**6)
    assert all(before < after for before, after in zip(small, larger, strict=True))
    assert all(before < after for before, after in zip(small, more, strict=True))
    # What is larger than a machine's memory is read again, not asked memory for.
    assert asked(side=64, cubes=10**7)[0] == asked(side=64, cubes=10**9)[0]


def test_the_readmes_study_can_be_planned_before_its_file_is_read(checkout):
    save_npz(checkout / "cubes.npz", learnable())
    (checkout / "mine.yaml").write_text(re.search(r"```yaml\n(.*?cubes\.npz.*?)```", README.read_text(), re.DOTALL)[1])
    assert planned(checkout, "--configfile", "mine.yaml")["train"] == 4 * 5 * 5


def move_and_touch(folder):
    (folder / "elsewhere").mkdir()
    os.utime(shutil.move(folder / "cubes.npz", folder / "elsewhere/mine.npz"))
    (folder / "mine.yaml").write_text(MINE.replace("cubes.npz", "elsewhere/mine.npz"))


def change_a_voxel_in_secret(folder):
    path = folder / "cubes.npz"
    time, arrays = path.stat().st_mtime_ns, dict(numpy.load(path))
    arrays["train_images"][0, 0, 0, 0] += 1
    os.utime(save_npz(path, arrays), ns=(time + 1, time + 1))


@pytest.mark.parametrize(
    ("change", "trained"),
    [
        pytest.param(move_and_touch, None, id="moved and touched"),
        pytest.param(change_a_voxel_in_secret, 6, id="another voxel"),
        pytest.param(
            lambda folder: (folder / "mine.yaml").write_text(MINE.replace("epochs: 1", "epochs: 2")), 6, id="epochs"
        ),
    ],
)
def test_a_file_is_known_by_its_content(mine, change, trained):
    change(mine)
    jobs = planned(mine, "--configfile", "mine.yaml")
    assert jobs.get("train") == trained
    assert ("import_dataset" in jobs) == (change is change_a_voxel_in_secret)


def test_settings_that_the_file_cannot_serve_are_refused_once_it_is_known(mine):
    (mine / "mine.yaml").write_text(MINE.replace("batch_size: 4, learning", "batch_size: 25, learning"))
    refused = run_snakemake(mine, "--dry-run", "--configfile", "mine.yaml")
    assert refused.returncode != 0
    assert "training.batch_size: given 25, allowed: at most 24, the training cubes" in refused.stdout
    assert "Traceback" not in refused.stdout


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("cubes.npz", r"^dataset\.path: given cubes\.npz, allowed: a file .*No such file"),
        # It would be removed as an output before the job that reads it starts.
        ("results/mine/dataset.h5", r"^dataset\.path: given results/mine/dataset\.h5, which the study itself writes"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_any_job(checkout, path, line):
    (checkout / "mine.yaml").write_text(MINE.replace("cubes.npz", path))
    refused = run_snakemake(checkout, "--configfile", "mine.yaml")
    assert refused.returncode != 0
    assert re.search(line, refused.stdout, re.MULTILINE), refused.stdout
    assert "Traceback" not in refused.stdout
    assert not (checkout / "results").exists()


def test_a_file_that_is_no_good_is_refused_before_any_training(checkout):
    save_npz(checkout / "cubes.npz", learnable(counts=(12, 8, 2)))
    (checkout / "mine.yaml").write_text(MINE)
    refused = run_snakemake(checkout, "--configfile", "mine.yaml")
    assert refused.returncode != 0
    last = (checkout / "results/mine/logs/import_dataset.log").read_text().splitlines()[-1]
    assert (
        "cubes.npz: training cubes (12, 8, 2 of the classes): evaluation.probe_size: given 9, allowed: at most 6"
        in last
    )
    assert not (checkout / "results/mine/dataset.h5").exists()
    assert not (checkout / "results/mine/runs").exists()


@pytest.mark.parametrize("save", [save_npz, save_hdf5])
def test_images_of_uint8_are_standardised_by_the_training_images(save, tmp_path):
    given = learnable()
    own = read_own_data(save(tmp_path / "file.npz", given))
    arrays = read_dataset(tmp_path / "d.h5", write_dataset(tmp_path / "d.h5", own.arrays, {}))
    mean, deviation = given["train_images"].mean(), given["train_images"].std()
    assert own.scaling == pytest.approx({"mean": mean, "standard_deviation": deviation})
    for split in ("train", "test"):
        images, labels = arrays[f"{split}/images"], arrays[f"{split}/labels"]
        assert (images.dtype, labels.dtype) == (numpy.float32, numpy.uint8)
        numpy.testing.assert_allclose(images, (given[f"{split}_images"] - mean) / deviation, rtol=1e-5, atol=1e-6)
        assert numpy.array_equal(labels, given[f"{split}_labels"].ravel())


def test_a_studys_own_dataset_is_taken_in_as_it_is(finished_smoke, tmp_path):
    results = finished_smoke / "results/smoke"
    summary = json.loads((results / "dataset.json").read_text())
    source = json.dumps({"path": str(results / "dataset.h5")})
    command = [
        sys.executable, ROOT / "scripts/import_dataset.py", "--source", source,
        "--asked", json.dumps({"probe_size": 16, "decay_step": 4, "training": {}}),
        "--dataset", tmp_path / "dataset.h5", "--summary", tmp_path / "dataset.json",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    again = json.loads((tmp_path / "dataset.json").read_text())
    assert {key: again[key] for key in ("digest", "class_counts", "cube_side")} == {
        key: summary[key] for key in ("digest", "class_counts", "cube_side")
    }
    assert again["scaling"] is None


@pytest.mark.parametrize("save", [save_npz, save_hdf5])
def test_a_file_is_read_in_pieces_whatever_their_size(save, tmp_path, monkeypatch):
    path = save(tmp_path / "large.npz", learnable(counts=(1000, 600, 448), side=16))
    digests, peaks = set(), []
    for piece in (2**18, 2**20):
        monkeypatch.setattr(own_data, "PIECE_BYTES", piece)
        tracemalloc.start()
        own = read_own_data(path)
        digests.add(digest := write_dataset(tmp_path / "d.h5", own.arrays, {}))
        images = read_dataset(tmp_path / "d.h5", digest)["train/images"]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(digests) == 1
    assert peaks[0] < images.nbytes / 8 < peaks[1] < images.nbytes


def changed(**arrays):
    return lambda path: save_npz(path, learnable() | arrays)


def without(name):
    return lambda path: save_npz(path, {key: value for key, value in learnable().items() if key != name})


def labels(*values, dtype=None):
    return numpy.resize(numpy.array(values, dtype=dtype), 24)


def floats(value):
    images = learnable()["train_images"].astype(numpy.float32)
    images[17, 1, 2, 3] = value
    return {"train_images": images, "test_images": images[:6] * 0}


class Trap:
    """What runs code where it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def with_an_object(path):
    save_npz(path, learnable() | {"train_labels": numpy.array([Trap()] * 24, dtype=object)})


def torn(save):
    def make(path):
        save(path, learnable())
        content = bytearray(path.read_bytes())
        content[len(content) // 3 : len(content) // 3 + 64] = bytes(64)
        path.write_bytes(content)

    return make


def a_group_in_place_of_an_array(path):
    save_hdf5(path, {name: value for name, value in learnable().items() if name != "train_images"})
    with h5py.File(path, "a") as file:
        file.create_group("train/images")


SHORT = learnable()["train_images"]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, r"cannot be read \(.*No such file"),
        (lambda path: path.write_text("0,1,2\n"), "neither HDF5 nor .npz by its content"),
        (without("train_images"), "train_images: missing; found: test_images, test_labels, train_labels$"),
        (without("test_labels"), "test_labels: missing; found: "),
        (a_group_in_place_of_an_array, "train/images: missing; found: test/images, test/labels, train/labels$"),
        (changed(train_labels=labels(0, 1)[:23]), "train_labels: 23 labels for 24 cubes; allowed: one a cube"),
        (changed(**floats(numpy.nan)), "train_images: NaN or infinite in entry 17; allowed: finite"),
        (changed(**floats(numpy.inf)), "train_images: NaN or infinite in entry 17"),
        (changed(train_labels=labels(1)), "train_labels: one class only, 1; allowed: two or more"),
        (changed(train_labels=labels(0, 1.5)), "train_labels: 1.5 among them; allowed: whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, numpy.nan)), "train_labels: nan among them; allowed: whole numbers"),
        (changed(train_labels=labels(-1, 1)), "train_labels: -1 among them; allowed: whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, 256)), "train_labels: 256 among them; allowed: whole numbers from 0 to 255"),
        (changed(train_labels=labels(0, 2)), "train_labels: no cube of class 1; allowed: every class from 0 to 2"),
        (changed(train_labels=labels("a", "b")), "train_labels: entries of type <U1; allowed: whole numbers"),
        (changed(train_labels=numpy.zeros((24, 2))), r"train_labels: shape \(24, 2\); allowed: \(n,\) or \(n, 1\)"),
        (changed(test_labels=numpy.arange(6)), "test_labels: class 5, of which training has no cube"),
        (changed(train_images=SHORT[0]), r"train_images: shape \(8, 8, 8\); allowed: \(n, side, side, side\)"),
        (changed(train_images=SHORT[:, :7]), "train_images: cubes of 7 x 8 x 8 voxels; allowed: three equal sides"),
        (changed(train_images=SHORT[:, :7, :7, :7]), "train_images: cubes of 7 x 7 x 7 voxels; allowed: .* 8 to 64"),
        (changed(test_images=numpy.zeros((6, 9, 9, 9), "u1")), "test_images: side 9; allowed: as in training, 8"),
        (changed(test_images=numpy.zeros((6, 8, 8, 8))), "test_images: type float64; allowed: as in training, uint8"),
        (changed(train_images=SHORT.astype("i2")), "train_images: numbers of type int16; allowed: uint8 or floating"),
        (changed(train_images=SHORT * 0), "train_images: every voxel is 0"),
        (changed(test_images=SHORT[:1]), "test_images: 1 cubes; allowed: at least 2"),
        (changed(train_images=numpy.asfortranarray(SHORT)), "train_images.*: in Fortran order"),
        (with_an_object, "train_labels: holds objects, and nothing is unpickled; allowed: numbers"),
        (torn(save_npz), r"cannot be read \("),
        (torn(save_hdf5), r"cannot be read \("),
    ],
)  # fmt: skip
def test_what_no_study_can_train_on_is_refused_in_one_line(make, line, tmp_path):
    path = tmp_path / "file.npz"
    make(path)
    with pytest.raises(DataError) as refused:
        write_dataset(tmp_path / "d.h5", read_own_data(path).arrays, {})
    assert re.search(f"^{re.escape(str(path))}: {line}", str(refused.value)), refused.value
    assert "\n" not in str(refused.value)
