"""Copies the checkout, and runs programs and the workflow in the copy as a user would."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ("--configfile", "config/smoke.yaml")
RESULTS = Path("results/smoke")
CIRCUMSTANCES, WIDTHS, SEEDS = ("baseline", "no_l2"), (2, 3, 4), (0, 1)
SMOKE_RUNS = [f"{name}/width{width}/seed{seed}" for name in CIRCUMSTANCES for width in WIDTHS for seed in SEEDS]
LAST_STEP = 40
LONGEST = 600  # seconds that a program or the workflow may take; then it hangs


def copy_checkout(folder: Path) -> Path:
    """Copies what the workflow needs, without results or state."""
    for name in ("config", "envs", "rules", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def copy_study(folder: Path, copy: Path) -> Path:
    """Copies a checkout with its results; times of files stay."""
    return Path(shutil.copytree(folder, copy, copy_function=shutil.copy2))


@contextlib.contextmanager
def start_snakemake(folder: Path, *arguments: str, cores: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Starts the workflow in a process group of its own, as a terminal does; kills what is left of it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", *(["--cores", "2"] if cores else []), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell starts background processes with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as workflow:
        try:
            yield workflow
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left
                os.killpg(workflow.pid, signal.SIGKILL)


def output_of(workflow: subprocess.Popen[str]) -> str:
    """Waits for the end of a workflow; returns what it printed, stdout and stderr."""
    return workflow.communicate(timeout=LONGEST)[0]


def run_snakemake(folder: Path, *arguments: str, cores: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the workflow to its end; stdout and stderr are both in `stdout`."""
    with start_snakemake(folder, *arguments, cores=cores) as workflow:
        output = output_of(workflow)
    return subprocess.CompletedProcess(workflow.args, workflow.returncode, output)


def make(folder: Path, *arguments: str) -> str:
    """Runs the workflow, which must succeed; returns what it printed."""
    done = run_snakemake(folder, *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def refusal(folder: Path, *arguments: str) -> str:
    """Runs the workflow, which must fail without a traceback; returns what it printed."""
    done = run_snakemake(folder, *arguments)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def job_counts(output: str) -> dict[str, int]:
    """The jobs that snakemake announces: rule -> how many, without the rule `all`."""
    if "Nothing to be done" in output:
        return {}
    jobs = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)[1]
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", jobs, re.MULTILINE)}
    counts.pop("all", None)
    return counts


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """The jobs that a dry run announces: rule -> how many, without the rule `all`."""
    return job_counts(make(folder, "--dry-run", *arguments))


def run_program(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of scripts/ in a checkout: `run_program(folder, "study.py", "status")`."""
    name, *arguments = map(str, command)
    command = [sys.executable, f"scripts/{name}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False)


def losses(folder: Path, results: Path | str = RESULTS) -> dict[str, bytes]:
    """The loss log of every run that is there, by the run's name."""
    runs = folder / results / "runs"
    return {str(path.parent.relative_to(runs)): path.read_bytes() for path in runs.rglob("losses.csv")}


def forget(folder: Path, names: list[str]) -> None:
    """Removes runs as if they had never been trained, and all tables."""
    shutil.rmtree(folder / RESULTS / "tables")
    for name in names:
        shutil.rmtree(folder / RESULTS / "runs" / name)
