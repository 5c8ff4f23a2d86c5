"""A run's state on disk, so that a job that was killed, or is to train longer, goes on where the last one stopped.

A checkpoint is whole or not there, belongs to one run, and is read as data only. It must not know what a state
holds; it is given a path and never chooses one.
"""

import fcntl
import io
import logging
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from widthwise.files import written_aside

LOG = logging.getLogger("checkpoint")

# A checkpoint may cost so much of the time since the last one.
SHARE = 0.02


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds the lock beside `path`; waits as long as another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.warning("%s: another process is training this run; waiting for it to end", path.parent)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Writes tensors and plain values for torch.load: whole, or not at all with an error that names the file."""
    serialised = io.BytesIO()  # on a full disk torch.save itself only says that a position is unexpected
    torch.save(content, serialised)
    with written_aside(path) as aside:
        aside.write_bytes(serialised.getbuffer())


class Checkpoint:
    """The one checkpoint of a run, at `path`, by its only writer.

    `belongs_to` is all that the state depends on but how far it has come: a checkpoint of anything else is not
    this run's. One is due every `interval` seconds, or less often where that would cost more than 2% of the time.
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
        """Replaces the checkpoint by this state: tensors and plain values, in dictionaries and lists."""
        start = time.monotonic()
        write_tensors(self.path, {"belongs_to": self.belongs_to, "state": state})
        self._last = time.monotonic()
        self.cost = self._last - start
        self.seconds += self.cost

    def load(self) -> dict[str, Any] | None:
        """The run's last state; None where there is none. What is not a whole one of this run is set aside."""
        if not self.path.exists():
            return None
        try:
            # torch does not verify the checksums that it writes.
            damaged = zipfile.ZipFile(self.path).testzip()
            if damaged:
                raise ValueError(f"{damaged} is damaged")
            content = torch.load(self.path, map_location="cpu", weights_only=True)
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
        """Keeps a checkpoint that is of no use out of the way, for whoever wants to look at it."""
        aside = self.path.with_suffix(".set_aside.pt")
        self.path.replace(aside)
        LOG.warning("%s: %s; kept as %s, and the run starts again", self.path, why, aside.name)
