"""A user's file is known by its content."""

import os

import pytest

from widthwise.data import source
from widthwise.data.source import SourceError, source_of
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


def test_a_moved_or_touched_file_keeps_its_digest_and_a_changed_one_does_not(cubes, summary, tmp_path):
    first = source_of(cubes, summary)
    os.utime(cubes, ns=(1, 1))
    moved = cubes.rename(tmp_path / "other.npz")
    second = source_of(moved, summary)
    assert second["sha256"] == first["sha256"]
    assert second != first
    moved.write_bytes(b"cubed")
    assert source_of(moved, summary)["sha256"] != first["sha256"]


def test_a_file_is_read_once_after_each_touch(cubes, summary, monkeypatch):
    source_of(cubes, summary)
    os.utime(cubes, ns=(1, 1))
    known = source_of(cubes, summary)
    monkeypatch.setattr(source, "file_digest", lambda path: pytest.fail("it was read"))
    assert source_of(cubes, summary) == known


def test_an_imported_file_need_not_exist_any_more(cubes, summary, caplog):
    imported = source_of(cubes, summary)
    cubes.unlink()
    with pytest.raises(SourceError, match=r"cubes\.npz cannot be read: No such file"):
        source_of(cubes, summary)
    write_json(summary, {"source": imported})
    assert source_of(cubes, summary) == imported
    assert "going on with what was imported" in caplog.text
    with pytest.raises(SourceError):  # another file was asked for than the one that was imported
        source_of(cubes.with_name("others.npz"), summary)


def test_the_studys_own_dataset_is_no_source(summary):
    with pytest.raises(SourceError, match="keep your file elsewhere"):
        source_of(summary.with_suffix(".h5"), summary)
