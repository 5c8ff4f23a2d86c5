"""What tests share: a copy of the checkout, a way to run the workflow in it, and one finished smoke study."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
SMOKE = ("--configfile", "config/smoke.yaml")
SMOKE_RUNS = [f"{c}/width{w}/seed{s}" for c in ("as_posted", "no_l2") for w in (2, 3, 4) for s in (0, 1)]


def copy_checkout(folder: Path) -> Path:
    """A copy of what the workflow needs, without results or state."""
    for name in ("config", "envs", "rules", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def start_snakemake(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the workflow in `folder` as a user would, in a process group of its own, as from a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A terminal's: a shell in the background hands Ctrl-C down as ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run_snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the workflow in `folder` to its end; stdout and stderr come back together."""
    with start_snakemake(folder, *arguments) as workflow:
        output, _ = workflow.communicate()
    return subprocess.CompletedProcess(workflow.args, workflow.returncode, output)


def losses(folder: Path, results: str = "results/smoke") -> dict[Path, bytes]:
    """The loss log of every run that is there."""
    return {path.relative_to(folder / results): path.read_bytes() for path in (folder / results).rglob("losses.csv")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in which much is waited for first, so that no worker ends alone."""
    first = ("test_slurm", "test_faults", "test_workflow", "test_reruns", "test_own_data")
    items.sort(key=lambda item: first.index(item.path.stem) if item.path.stem in first else len(first))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose smoke study is done. Shared by all workers: copy it before changing it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "finished_smoke"
    with FileLock(shared / "finished_smoke.lock"):
        if not folder.exists():
            copy_checkout(folder)
            done = run_snakemake(folder, *SMOKE)
            assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def smoke(finished_smoke: Path, tmp_path: Path) -> Path:
    """A copy of the finished smoke study, to be changed at will."""
    return Path(shutil.copytree(finished_smoke, tmp_path / "smoke", copy_function=shutil.copy2))
