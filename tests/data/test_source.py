"""A user's data are known by their content."""

import os
import shutil

import pytest

from widthwise.data import source
from widthwise.data.samples import SourceError
from widthwise.data.source import source_of
from widthwise.files import write_json


@pytest.fixture
def summary(tmp_path):
    """Where import_dataset writes the summary of what it imported."""
    return tmp_path / "results/dataset/own.json"


@pytest.fixture
def cubes(tmp_path):
    path = tmp_path / "cubes.npz"
    path.write_bytes(b"cubes")
    return path


def save_folder(folder):
    for name in ("train/cat/0.png", "train/dog/0.png", "test/cat/1.png", "test/dog/1.png", "val/cat/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def save_arrays(folder):
    folder.mkdir()
    for name in ("train_images", "train_labels"):
        (folder / f"{name}.npy").write_text(name)
    return folder


def save_table(folder):
    save_folder(folder)
    rows = ["file,label,split", "train/cat/0.png,a,train", "train/dog/0.png,b,train", "test/cat/1.png,b,test"]
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


def folder_of(path):
    return path if path.is_dir() else path.parent


def first_file(path):
    return min(file for file in folder_of(path).rglob("*") if file.suffix in (".png", ".npy"))


SETTINGS = {"channels": None, "standardise": True, "names": {}}


def imported(source, summary):
    """Writes what import_dataset leaves."""
    write_json(summary, {"source": source, "settings": SETTINGS})
    summary.with_suffix(".h5").write_text("images")


SEVERAL_FILES = pytest.mark.parametrize("save", [save_folder, save_arrays, save_table])


@SEVERAL_FILES
def test_several_files_are_known_by_their_content_too(save, summary, tmp_path):
    path = save(tmp_path / "mine")
    first = source_of(path, SETTINGS, summary)
    file = first_file(path)
    os.utime(file, ns=(1, 1))
    assert source_of(path, SETTINGS, summary)["sha256"] == first["sha256"]
    (folder_of(path) / "notes.txt").write_text("not asked for")
    (folder_of(path) / "val/cat").mkdir(parents=True, exist_ok=True)
    (folder_of(path) / "val/cat/3.png").write_text("not asked for")
    moved = folder_of(path).rename(tmp_path / "elsewhere")
    path = moved / path.name if path.suffix else moved
    second = source_of(path, SETTINGS, summary)
    assert (second["sha256"], second["files"]) == (first["sha256"], first["files"])
    file = first_file(path)
    file.write_text("other")
    assert source_of(path, SETTINGS, summary)["sha256"] != first["sha256"]


@SEVERAL_FILES
def test_several_files_are_read_once_and_need_not_exist_any_more(save, summary, tmp_path, monkeypatch):
    path = save(tmp_path / "mine")
    known = source_of(path, SETTINGS, summary)
    monkeypatch.setattr(source, "file_digest", lambda path: pytest.fail("it was read"))
    assert source_of(path, SETTINGS, summary) == known
    imported(known, summary)
    for file in folder_of(path).rglob("*.*"):
        file.unlink()
    assert source_of(path, SETTINGS, summary) is None  # folders of classes are left
    shutil.rmtree(folder_of(path))
    assert source_of(path, SETTINGS, summary) is None


def test_a_renamed_class_is_other_data(summary, tmp_path):
    path = save_folder(tmp_path / "mine")
    first = source_of(path, SETTINGS, summary)
    for split in ("train", "test"):
        (path / split / "cat").rename(path / split / "lynx")
    assert source_of(path, SETTINGS, summary)["sha256"] != first["sha256"]


def test_a_folder_without_data_says_how_to_name_them(summary, tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(SourceError, match=r"no data there; save train/CLASS/\*\.png and .*, or train_images\.npy"):
        source_of(tmp_path, SETTINGS, summary)


def test_a_table_that_names_a_file_that_is_gone_says_which(summary, tmp_path):
    path = save_table(tmp_path / "mine")
    (tmp_path / "mine/train/dog/0.png").unlink()
    with pytest.raises(SourceError, match=r"mine/train/dog/0\.png cannot be read: No such file or directory"):
        source_of(path, SETTINGS, summary)


def test_a_moved_or_touched_file_keeps_its_digest_and_a_changed_one_does_not(cubes, summary, tmp_path):
    first = source_of(cubes, SETTINGS, summary)
    os.utime(cubes, ns=(1, 1))
    moved = cubes.rename(tmp_path / "other.npz")
    second = source_of(moved, SETTINGS, summary)
    assert second["sha256"] == first["sha256"]
    assert second != first
    moved.write_bytes(b"cubed")
    assert source_of(moved, SETTINGS, summary)["sha256"] != first["sha256"]


def test_a_file_is_read_once_after_each_touch(cubes, summary, monkeypatch):
    source_of(cubes, SETTINGS, summary)
    os.utime(cubes, ns=(1, 1))
    known = source_of(cubes, SETTINGS, summary)
    monkeypatch.setattr(source, "file_digest", lambda path: pytest.fail("it was read"))
    assert source_of(cubes, SETTINGS, summary) == known


def test_an_imported_file_need_not_exist_any_more(cubes, summary, caplog):
    source = source_of(cubes, SETTINGS, summary)
    cubes.unlink()
    with pytest.raises(SourceError, match=r"cubes\.npz cannot be read: No such file"):
        source_of(cubes, SETTINGS, summary)
    imported(source, summary)
    assert source_of(cubes, SETTINGS, summary) is None
    assert "going on with what was imported" in caplog.text
    with pytest.raises(SourceError):  # another file was asked for than the one that was imported
        source_of(cubes.with_name("others.npz"), SETTINGS, summary)


def test_the_studys_own_dataset_is_no_source(summary):
    with pytest.raises(SourceError, match="keep your file elsewhere"):
        source_of(summary.with_suffix(".h5"), SETTINGS, summary)


@pytest.mark.parametrize("key", SETTINGS)
def test_a_file_that_is_gone_cannot_be_read_in_another_way(key, cubes, summary):
    imported(source_of(cubes, SETTINGS, summary), summary)
    cubes.unlink()
    with pytest.raises(
        SourceError,
        match=rf"cubes\.npz cannot be read, so dataset\.{key} cannot change: restore the file, or the setting",
    ):
        source_of(cubes, SETTINGS | {key: "other"}, summary)


def test_without_the_images_nothing_is_imported(cubes, summary):
    imported(source_of(cubes, SETTINGS, summary), summary)
    summary.with_suffix(".h5").unlink()
    cubes.unlink()
    with pytest.raises(SourceError, match=r"cubes\.npz cannot be read: No such file"):
        source_of(cubes, SETTINGS, summary)
