"""A study of a user's own data: from the file to the answer, and refused in one line before anything is trained."""

import json
import os
import re
import shutil

import numpy
import pandas
import pytest
from data.own_files import save_npz
from workflow.checkout import copy_checkout, copy_study, make, planned, refusal
from workflow.own_data import MINE, save_pictures, small_cubes

STUDY = ("--configfile", "mine.yaml")


def prepare(checkout, study=MINE, cubes=None):
    save_npz(checkout / "cubes.npz", cubes or small_cubes())
    (checkout / "mine.yaml").write_text(study)
    return checkout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout whose study of its own cubes is done."""
    folder = prepare(copy_checkout(tmp_path_factory.mktemp("own") / "checkout"))
    make(folder, *STUDY)
    return folder


@pytest.fixture
def mine(finished, tmp_path):
    return copy_study(finished, tmp_path / "mine")


def test_own_cubes_in_any_balance_go_the_whole_way_to_the_answer(finished):
    results = finished / "results/mine"
    assert {path.name for path in (results / "dataset").glob("*.h5")} == {"own.h5"}
    summary = json.loads((results / "dataset/own.json").read_text())
    assert summary["class_counts"] == {"train": [12, 8, 4], "test": [2, 2, 2]}
    assert (summary["shape"], summary["source"]["path"]) == ([1, 8, 8, 8], "cubes.npz")
    assert (summary["classes"], len(summary["scaling"]["mean"])) == (["0", "1", "2"], 1)
    runs = pandas.read_csv(results / "tables/runs.csv")
    assert len(runs) == 3 * 2
    assert set(runs["classes"]) == {3}
    assert not runs["diverged"].any()
    starts = pandas.read_csv(results / "tables/starts.csv")
    assert numpy.log(3) / 2 < starts["data_loss"].mean() < 2 * numpy.log(3)
    figures = {path.stem for path in (results / "figures").iterdir()}
    assert figures == {"task", "loss_curves", "loss_parts", "penalty_left", "feature_trends", "verdict_map", "crossing"}
    run = json.loads((results / "runs/baseline/width2/seed0/run.json").read_text())
    assert run["dataset"]["digest"] == summary["digest"]
    assert "noise" not in json.dumps(run)
    answer, evidence = (results / "answer.md").read_text(), (results / "evidence.md").read_text()
    assert re.search(r"24 training \w+ of .*\b3 classes", answer + evidence)
    assert "synthetic" not in answer


def move_and_touch(folder):
    (folder / "elsewhere").mkdir()
    os.utime(shutil.move(folder / "cubes.npz", folder / "elsewhere/mine.npz"))
    (folder / "mine.yaml").write_text(MINE.replace("cubes.npz", "elsewhere/mine.npz"))


def change_a_voxel_in_secret(folder):
    path = folder / "cubes.npz"
    time, arrays = path.stat().st_mtime_ns, dict(numpy.load(path))
    arrays["train_images"][0, 0, 0, 0] += 1
    os.utime(save_npz(path, arrays), ns=(time + 1, time + 1))


def remove(folder):
    (folder / "cubes.npz").unlink()


def remove_and_change_how_it_is_imported(folder):
    remove(folder)
    path = folder / "scripts/widthwise/data/labels.py"
    path.write_text(f"{path.read_text()}\nCHANGED = True\n")


def leave_as_it_is(folder):
    (folder / "mine.yaml").write_text(MINE.replace("cubes.npz", "cubes.npz, standardise: false"))


def say_channels(folder):
    (folder / "mine.yaml").write_text(MINE.replace("cubes.npz", "cubes.npz, channels: none"))


def train_longer(folder):
    (folder / "mine.yaml").write_text(MINE.replace("epochs: 2", "epochs: 3"))


@pytest.mark.parametrize(
    ("change", "imported", "trained"),
    [
        pytest.param(move_and_touch, 0, 0, id="moved and touched"),
        pytest.param(remove, 0, 0, id="removed"),
        pytest.param(remove_and_change_how_it_is_imported, 0, 0, id="removed, other code"),
        pytest.param(change_a_voxel_in_secret, 1, 6, id="another voxel"),
        pytest.param(leave_as_it_is, 1, 6, id="not standardised"),
        pytest.param(say_channels, 1, 6, id="channels"),
        pytest.param(train_longer, 0, 6, id="epochs"),
    ],
)
def test_a_file_is_known_by_its_content_and_how_it_is_read(mine, change, imported, trained):
    change(mine)
    jobs = planned(mine, *STUDY)
    assert (jobs.get("import_dataset", 0), jobs.get("train", 0)) == (imported, trained)


def imported_files(folder):
    return {name: (folder / f"results/mine/dataset/own.{name}").read_bytes() for name in ("h5", "json")}


def test_data_that_are_gone_are_kept_as_they_were_imported(mine):
    before = imported_files(mine)
    remove(mine)
    assert "import_dataset" not in planned(mine, "--forceall", *STUDY)
    leave_as_it_is(mine)
    line = "cubes.npz cannot be read, so dataset.standardise cannot change: restore the file, or the setting"
    assert line in refusal(mine, *STUDY)
    assert imported_files(mine) == before


def test_an_import_that_fails_removes_no_images_and_is_tried_again(mine):
    before = imported_files(mine)
    (mine / "cubes.npz").write_bytes((mine / "cubes.npz").read_bytes()[:999])
    for _ in range(2):
        assert "or it is damaged: copy it again" in refusal(mine, *STUDY)
    assert (mine / "results/mine/dataset/own.h5").read_bytes() == before["h5"]


def test_warnings_of_an_import_are_printed_and_kept(checkout):
    cubes = small_cubes()
    cubes["train_images"][:5] = 0
    output = make(prepare(checkout, cubes=cubes), "results/mine/dataset/own.json", *STUDY)
    warning = "warning: 5 of 24 training images are constant"
    assert f"cubes.npz: {warning}\n" in output
    assert warning in json.loads(imported_files(checkout)["json"])["notes"]


PICTURES = MINE.replace("cubes.npz", "pictures").replace("class_weights: [1, 1.5, 3]", "class_weights: null")


def test_a_folder_of_pictures_is_imported_once_and_known_by_its_content(checkout):
    save_pictures(checkout / "pictures")
    (checkout / "mine.yaml").write_text(PICTURES)
    targets = ("results/mine/dataset/own.json", "results/mine/figures/task.svg", *STUDY)
    make(checkout, *targets)
    summary = json.loads((checkout / "results/mine/dataset/own.json").read_text())
    assert (summary["shape"], summary["classes"]) == ([3, 9, 7], ["cat", "dog"])
    assert summary["class_counts"] == {"train": [8, 8], "test": [4, 4]}
    assert "val is the test split" in (checkout / "results/mine/logs/import_dataset.log").read_text()
    assert "dog" in (checkout / "results/mine/figures/task.svg").read_text()
    os.utime(checkout / "pictures/train/cat/0.png")
    assert planned(checkout, *targets) == {}
    (checkout / "pictures/val/dog/3.png").unlink()
    assert planned(checkout, *targets) == {"import_dataset": 1, "task": 1}


def test_the_figure_of_masks_needs_a_volume_and_is_drawn_on_demand(mine):
    assert "segmentation" not in planned(mine, "--forceall", *STUDY)
    refusal(mine, "segmentation", *STUDY)
    last = (mine / "results/mine/logs/predict_masks.log").read_text().splitlines()[-1]
    assert "own.h5: no volume with a mask" in last


def test_settings_that_the_file_cannot_serve_are_refused_before_any_job(mine):
    (mine / "mine.yaml").write_text(MINE.replace("[1, 1.5, 3]", "[1, 1.5]").replace("decay_step: 4", "decay_step: 13"))
    output = refusal(mine, *STUDY)
    for line in (
        "training.class_weights: 2 given for 3 classes; write one for each class",
        "analysis.decay_step: 13 given, but a run has 12 steps; ",
    ):
        assert re.search(rf"^circumstances\.baseline: {re.escape(line)}", output, re.MULTILINE), output


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("none.npz", r"^dataset\.path: none\.npz cannot be read: No such file or directory"),
        # It would be removed as an output before the job that reads it starts.
        (
            "results/mine/dataset/own.h5",
            r"^dataset\.path: results/mine/dataset/own\.h5 is what the study itself writes",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_any_job(checkout, path, line):
    output = refusal(prepare(checkout, MINE.replace("cubes.npz", path)), *STUDY)
    assert re.search(line, output, re.MULTILINE), output
    assert not (checkout / "results").exists()


def test_a_new_file_that_cannot_serve_the_study_is_refused_before_any_training(checkout):
    prepare(checkout, cubes=small_cubes(counts=(1, 1, 1)))
    refusal(checkout, *STUDY)
    last = (checkout / "results/mine/logs/import_dataset.log").read_text().splitlines()[-1]
    assert "cubes.npz: training samples" in last
    assert "training.batch_size: 4 given, but there are 3 training samples" in last
    assert not (checkout / "results/mine/dataset/own.h5").exists()
    assert not (checkout / "results/mine/runs").exists()
