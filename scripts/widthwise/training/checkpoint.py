"""A run's state on disk: a job that was killed, or is to train longer, goes on where the last one stopped.

A checkpoint is whole or absent, belongs to one run, and is read as data only.
"""

import fcntl
import hashlib
import io
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from widthwise.files import atomic_write

LOG = logging.getLogger("checkpoint")

# Largest share of the time that goes into checkpoints.
SHARE = 0.02
# A checkpoint is what torch.save writes, and the SHA-256 of that.
DIGEST_BYTES = 32


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds the lock beside `path`; waits while another process holds it.

    Some file systems have no locks: there it warns and goes on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.warning("%s: another process is training this run; waiting for it to end", path.parent)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            LOG.warning("%s: cannot be locked (%s); train it from one place at a time", path.parent, error.strerror)
        yield


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Writes tensors and plain values for torch.load. Raises OSError that names the file where that fails."""
    with atomic_write(path) as aside:
        aside.write_bytes(serialised(content))


def serialised(content: Mapping[str, Any]) -> bytes:
    """What torch.save writes. On a full disk, torch.save itself only says that a position is unexpected."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def restored(content: bytes) -> Any:
    """What `serialised` was given, read as data only."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class Checkpoint:
    """The checkpoint of one run, at `path`, written by one process.

    Args:
        belongs_to: what identifies the run: a checkpoint of another run is set aside.
        interval: seconds between two, or more where checkpoints would take over 2% of the time.
    """

    def __init__(self, path: Path, belongs_to: Mapping[str, Any], interval: float) -> None:
        self.path, self.belongs_to, self.interval = path, dict(belongs_to), interval
        self.cost = self.seconds = 0.0
        self._last = time.monotonic()
        for left_by_a_killed_writer in path.parent.glob(f".{path.name}.*"):
            left_by_a_killed_writer.unlink()

    def due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() - self._last >= max(self.interval, self.cost / SHARE)

    def save(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint by this state of tensors, plain values, dictionaries and lists."""
        start = time.monotonic()
        content = serialised({"belongs_to": self.belongs_to, "state": state})
        with atomic_write(self.path) as aside, aside.open("wb") as stream:
            stream.write(content)
            stream.write(hashlib.sha256(content).digest())
        self._last = time.monotonic()
        self.cost = self._last - start
        self.seconds += self.cost

    def load(self) -> dict[str, Any] | None:
        """The run's last state, or None. A checkpoint that is damaged or of another run is set aside."""
        if not self.path.exists():
            return None
        try:
            whole = self.path.read_bytes()
            # torch does not verify the checksums that it writes.
            if hashlib.sha256(whole[:-DIGEST_BYTES]).digest() != whole[-DIGEST_BYTES:]:
                raise ValueError("it is torn or damaged")
            content = restored(whole[:-DIGEST_BYTES])
            theirs = content["belongs_to"]
            state = content["state"]
        except Exception as error:  # whatever a torn file makes zipfile, pickle or torch raise
            self.set_aside(f"cannot be read ({error})".splitlines()[0])
            return None
        differing = [key for key, value in self.belongs_to.items() if theirs.get(key) != value]
        if differing:
            self.set_aside(f"is of a run with other {' and '.join(differing)}")
            return None
        return state

    def set_aside(self, why: str) -> None:
        """Renames a checkpoint that cannot be used, and says why."""
        aside = self.path.with_suffix(".set_aside.pt")
        self.path.replace(aside)
        LOG.warning("%s: %s; kept as %s, and the run starts again", self.path, why, aside.name)
