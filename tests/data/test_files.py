"""Files that are complete or absent."""

import os
import subprocess
import sys

import pytest

from widthwise.files import atomic_write, claim


def test_a_file_is_complete_or_absent(tmp_path):
    target = tmp_path / "result.csv"
    with pytest.raises(TypeError), atomic_write(target) as temporary:
        temporary.write_text(b"half")
    assert list(tmp_path.iterdir()) == []
    with atomic_write(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result.csv"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    message = r"nowhere/result\.csv: cannot be written: No such file or directory"
    with pytest.raises(OSError, match=message), atomic_write(tmp_path / "nowhere/result.csv") as temporary:
        temporary.write_text("whole")


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    killed = """
import os, signal, sys
from pathlib import Path
from widthwise.files import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    target = tmp_path / "[1].h5"  # a name that means something in a pattern
    subprocess.run([sys.executable, "-c", killed, target], env=os.environ | {"PYTHONPATH": ":".join(sys.path)})
    assert [path.name[:8] for path in tmp_path.iterdir()] == [".[1].h5."]
    others = {".[1].h5.notes", f".[1].h5.{os.getppid()}", ".1.h5.999999999"}  # no process, a running one, another file
    for name in others:
        (tmp_path / name).touch()
    with atomic_write(target) as temporary:
        temporary.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"[1].h5", *others}


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path):
    first = claim(tmp_path / ".in_use")
    with pytest.raises(BlockingIOError) as refused:
        claim(tmp_path / ".in_use")
    assert f"process {os.getpid()}" in refused.value.strerror
    first.close()
    claim(tmp_path / ".in_use").close()


def test_where_there_are_no_locks_a_claim_holds_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    claim(tmp_path / ".in_use").close()
