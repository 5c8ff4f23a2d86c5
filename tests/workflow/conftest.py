"""Checkouts and finished studies for tests of the workflow."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from workflow.checkout import SMOKE, copy_checkout, copy_study, make


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def make_once(shared_folder: Path) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder with the function given, or waits for the worker that is making it."""

    def once(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = shared_folder / name, shared_folder / f"{name}.done"
        with FileLock(shared_folder / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a worker left that failed
                fill(folder)
                done.touch()
        return folder

    return once


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def clean_checkout(make_once: Callable) -> Path:
    """A checkout without results, for tests that write nothing: it is shared."""
    return make_once("clean_checkout", copy_checkout)


@pytest.fixture(scope="session")
def finished_smoke(make_once: Callable) -> Path:
    """A checkout whose smoke study is finished, for tests that write nothing: it is shared."""
    return make_once("finished_smoke", lambda folder: make(copy_checkout(folder), *SMOKE))


@pytest.fixture
def smoke(finished_smoke: Path, tmp_path: Path) -> Path:
    """A copy of the finished smoke study, to be changed at will."""
    return copy_study(finished_smoke, tmp_path / "smoke")
