"""A run's state on disk: whole or not there, of this run or set aside."""

import errno
import fcntl
import hashlib
import io
import logging
import os
import pickle
import threading
import time

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from widthwise.training.checkpoint import SHARE, Checkpoint, only_writer

RUN = {"settings": {"seed": 0, "training": {"epochs": None}}, "code": "c0de"}
STATE = {"step": 7, "log": [{"data_loss": 0.1}], "network": {"weight": torch.arange(600.0)}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


def load(path, run=RUN):
    return Checkpoint(path, run, interval=30).load()


def same(state):
    return (
        state is not None
        and (state["step"], state["log"]) == (STATE["step"], STATE["log"])
        and torch.equal(state["network"]["weight"], STATE["network"]["weight"])
    )


def test_what_is_saved_is_what_is_loaded(path):
    assert load(path) is None
    Checkpoint(path, RUN, interval=30).save(STATE)
    assert same(load(path))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_torn_or_damaged_checkpoint_is_set_aside(path, data):
    Checkpoint(path, RUN, interval=30).save(STATE)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="torn"):
        del content[data.draw(st.integers(0, len(content) - 1), label="length") :]
    else:
        content[data.draw(st.integers(0, len(content) - 1), label="position")] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert load(path) is None
    assert not path.exists()
    assert path.with_name("checkpoint.set_aside.pt").read_bytes() == content


@pytest.mark.parametrize("other", [{"code": "other"}, {"settings": {"seed": 1, "training": {"epochs": None}}}])
def test_another_runs_checkpoint_is_set_aside_with_a_warning(path, other, caplog):
    Checkpoint(path, RUN | other, interval=30).save(STATE)
    assert load(path) is None
    assert f"is of a run with other {next(iter(other))}" in caplog.text
    assert path.with_name("checkpoint.set_aside.pt").exists()
    assert same(load(path.with_name("checkpoint.set_aside.pt"), RUN | other))


def test_code_in_a_checkpoint_is_not_run(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    serialised = io.BytesIO()
    torch.save({"belongs_to": RUN, "state": Evil()}, serialised)
    for content in (serialised.getvalue(), pickle.dumps(Evil())):
        path.write_bytes(content + hashlib.sha256(content).digest())
        assert load(path) is None
    assert not (tmp_path / "owned").exists()


def test_a_write_that_fails_leaves_the_last_checkpoint(path, monkeypatch):
    checkpoint = Checkpoint(path, RUN, interval=30)
    checkpoint.save(STATE)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"checkpoint\.pt: cannot be written: No space left on device"):
        checkpoint.save(STATE | {"step": 8})
    assert same(load(path))


def test_what_a_killed_writer_left_is_cleared_away(path):
    half = path.with_name(f".{path.name}.4711")
    half.write_bytes(b"half")
    Checkpoint(path, RUN, interval=30)
    assert not half.exists()


def test_checkpoints_are_due_by_the_clock_and_cost_a_bounded_share_of_it(path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    checkpoint = Checkpoint(path, RUN, interval=30)
    assert not checkpoint.due()
    now = 30.0
    assert checkpoint.due()
    checkpoint.save(STATE)
    assert not checkpoint.due()
    checkpoint.cost = 3.0
    now = 60.0
    assert not checkpoint.due()
    now = 30.0 + 3.0 / SHARE
    assert checkpoint.due()


def test_there_is_one_writer_at_a_time(path, caplog):
    caplog.set_level(logging.WARNING)
    order = []

    def second():
        with only_writer(path):
            order.append("second")

    with only_writer(path):
        thread = threading.Thread(target=second)
        thread.start()
        end = time.monotonic() + 60
        while "waiting for it to end" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_where_there_are_no_locks_training_goes_on_with_a_warning(path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with only_writer(path):
        assert f"{path.parent}: cannot be locked (Function not implemented); train it from one place" in caplog.text
