"""Runs train.py as often as tests of faults need it.

Each training is a process of its own, forked from one that has imported torch. It starts in milliseconds, and it can be
killed like any other.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from workflow.checkout import RESULTS, ROOT

RUN = "baseline/width4/seed1"
FILES = {"losses": "losses.csv", "run": "run.json", "weights": "weights.pt"}
PRELOADED = ["train", "workflow.trainers"]


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits for the condition's first true value, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError(condition)


def training_in(folder: Path, run: str = "") -> list[int]:
    """Process ids of train.py at work in a checkout, on any run or on one whose folder's path holds `run`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            command = (process / "cmdline").read_text()
            if "scripts/train.py" in command and run in command and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


@contextlib.contextmanager
def stopped(processes: Iterable[int]) -> Iterator[None]:
    """Lets processes stand still meanwhile."""
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def smoke_settings(checkout: Path, **training: Any) -> dict[str, Any]:
    """The settings of RUN in a finished smoke study, with other settings of its training."""
    settings = json.loads((checkout / RESULTS / "runs" / RUN / "run.json").read_text())["settings"]
    return settings | {"training": settings["training"] | training}


def train_arguments(checkout: Path, folder: Path, settings: dict[str, Any], *more: str) -> list[str]:
    """Arguments of train.py for a run on the data of RUN, into a folder of its own."""
    folder.mkdir(exist_ok=True)
    dataset = checkout / RESULTS / "dataset/seed1"
    return [
        f"--settings={json.dumps(settings)}",
        f"--dataset={dataset}.h5",
        f"--summary={dataset}.json",
        *(f"--{kind}={folder / name}" for kind, name in FILES.items()),
        *more,
    ]


def train_here(arguments: list[str], output: Path) -> None:
    """Runs train.py in this process. What it prints goes to a file, and so does a traceback."""
    import train

    with output.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv = ["train.py", *arguments]
    try:
        train.main()
    except Exception:
        traceback.print_exc()
        sys.exit(1)


@dataclass(frozen=True)
class Trainer:
    """A training that was started; what it prints goes to `log`."""

    process: multiprocessing.Process
    log: Path

    def kill(self) -> None:
        """Kills it as the kernel does, and waits until it is gone."""
        self.process.kill()
        self.process.join()

    def wait(self) -> str:
        """Waits for its end; returns what it printed."""
        self.process.join()
        return self.log.read_text()

    @property
    def succeeded(self) -> bool:
        """Whether it has ended, without an error."""
        return self.process.exitcode == 0


class Trainers:
    """Starts trainings; what they print goes to files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload(PRELOADED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")]))
            forkserver.ensure_running()

    def start(self, arguments: list[str]) -> Trainer:
        """Starts train.py with these arguments."""
        log = self._folder / f"{len(list(self._folder.iterdir()))}.log"
        log.touch()
        process = self._context.Process(target=train_here, args=(arguments, log))
        process.start()
        return Trainer(process, log)

    def run(self, arguments: list[str]) -> str:
        """Runs train.py, which must succeed; returns what it printed."""
        trainer = self.start(arguments)
        output = trainer.wait()
        assert trainer.succeeded, output
        return output

    def fail(self, arguments: list[str]) -> str:
        """Runs train.py, which must fail; returns what it printed."""
        trainer = self.start(arguments)
        output = trainer.wait()
        assert not trainer.succeeded, output
        return output
