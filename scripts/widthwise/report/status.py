"""How far every run of a study is, from files and SLURM's queue, and what a study costs before it is started."""

import json
import math
import os
import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from widthwise.report.wording import counted, listed
from widthwise.study.cost import REFERENCE, Speed, Work
from widthwise.study.plan import Run, Study
from widthwise.training.progress import last_progress

COLOURS = {
    "done": "green",
    "diverged": "magenta",
    "outdated": "yellow",
    "running": "cyan",
    "stopped": "yellow",
    "failed": "red",
    "waiting": "dim",
}
SHOWN_BY_RUN = ("running", "stopped", "failed")
SHOWN_BY_CIRCUMSTANCE = ("diverged", "outdated", "failed", "stopped")
UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}
# Seconds without a line in the log. Training writes one every 10; a shared file system may take 60 to show it.
SILENCE = 120
# Seconds to wait for squeue.
MOST_QUEUE_WAIT = 10
# Why SLURM does not start a job until somebody acts, and what to do. Other reasons pass by themselves.
NEVER_STARTS = {
    r"PartitionTimeLimit|Max(WallDuration|\w*Minutes)PerJob": (
        "more time is asked for than partition (`sinfo -o '%P %l'`), QOS or account allow. Interrupt snakemake, which "
        "cancels the jobs, and set the `runtime` of {rules} in minutes under `set-resources` in the profile"
    ),
    r"MaxMemPerLimit|MaxMem(ory)?Per(Job|Node)": (
        "more memory is asked for than partition, QOS or account allow. Interrupt snakemake, which cancels the jobs, "
        "and set the `mem_mb` of {rules} under `set-resources` in the profile"
    ),
    r"[Hh]eld": "somebody held them; `scontrol release JOB` lets them go",
    r"PartitionDown|PartitionInactive|Nodes required for job|NodeNotAvail": (
        "the nodes are down or reserved (`sinfo -R`). Wait for them, or interrupt snakemake, which cancels the jobs, "
        "and write another `slurm_partition` in the profile"
    ),
    r"Partition|not permitted|NotAllowed|Invalid|BadConstraints|Max\w+Per(Job|Node)": (
        "partition, QOS or account do not allow them (`scontrol show job JOB`). Interrupt snakemake, which cancels "
        "the jobs, and write another `slurm_partition` or `slurm_account` in the profile"
    ),
}
COSTS = "{:<8} {:>5} {:>10} {:>11} {:>11} {:>17}"


@dataclass(frozen=True)
class RunState:
    """A run's state, the text of its log, seconds since the log's last line (NaN without a log), and its error."""

    state: str
    log: str
    silence: float
    error: str = ""


def run_state(run: Run, study: Study, results: Path) -> RunState:
    """Reads a run's state from its record, its log, and the lock that its trainer makes first."""
    folder, path = results / "runs" / run.name, results / "logs/train" / f"{run.name}.log"
    log, silence = read_log(path)
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        if "Traceback" in log:
            return RunState("failed", log, silence, f"{log.splitlines()[-1]} ({path})")
        if not (folder / "checkpoint.lock").exists():
            return RunState("waiting", log, silence)
        return RunState("running" if silence < SILENCE else "stopped", log, silence)
    except ValueError as error:
        message = f"{folder / 'run.json'}: not the record of a run ({error}); remove it, and snakemake writes it again"
        return RunState("failed", log, silence, message)
    if record["settings"] != study.run_settings(run.circumstance, run.size, run.seed).as_dict():
        return RunState("outdated", log, silence)
    return RunState("diverged" if record["diverged"] else "done", log, silence)


def read_log(path: Path) -> tuple[str, float]:
    """Returns a log's text and the seconds since its last line; empty and NaN where there is no log."""
    try:
        return path.read_text(encoding="utf-8", errors="replace"), max(0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return "", math.nan


def overview(study: Study, results: Path, *, every_run: bool) -> RenderableType:
    """A table of circumstances and of the runs at work or in trouble, then errors, then a count of all runs.

    Errors are those of runs, and jobs that SLURM will not start.

    Args:
        study: the study.
        results: the folder of its results.
        every_run: show a row for every run, whatever its state.
    """
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)
    table.add_column("state")
    table.add_column("progress", min_width=5, max_width=20, ratio=1)
    for title in ("", "objective", "samples/s", "left", "silent"):
        table.add_column(title, justify="right", no_wrap=True)
    total, errors = Counter(), []
    for name in study.circumstances:
        states = {run: run_state(run, study, results) for run in study.runs(name)}
        counts = Counter(found.state for found in states.values())
        total += counts
        problems = Counter({state: counts[state] for state in SHOWN_BY_CIRCUMSTANCE})
        finished = counts["done"] + counts["diverged"]
        table.add_row(f"[bold]{name}[/]", format_counts(problems), *progress_bar(finished, len(states)))
        for run, found in states.items():
            if every_run or found.state in SHOWN_BY_RUN:
                table.add_row(f"  {run.size}/seed{run.seed}", *run_cells(found))
            if found.error:
                errors.append(f"[red]{run.name}[/]: {escape(found.error)}")
    held = [f"[yellow]SLURM[/]: {escape(line)}" for line in held_jobs(Path.cwd())]
    summary = f"{results}, {time.strftime('%H:%M:%S')}: {total.total()} runs, {format_counts(total)}"
    return Group(table, *errors, *held, summary)


def run_cells(found: RunState) -> list[RenderableType]:
    """The cells of a run's row after its name: state, progress, objective, pace, time left, seconds of silence."""
    sitting = re.search(r"going on from step \d+(, sitting \d+)", found.log)
    state = coloured(found.state) + (sitting[1] if sitting else "")
    progress = last_progress(found.log)
    if progress is None:
        return [state, *[""] * 5, duration(found.silence)]
    return [
        state,
        *progress_bar(progress.step, progress.steps),
        f"{progress.objective:.4f}",
        f"{progress.samples_per_second:.0f}",
        duration(progress.seconds_left),
        duration(found.silence),
    ]


def progress_bar(done: int, total: int) -> list[RenderableType]:
    """A bar, and the same in numbers."""
    bar = ProgressBar(total=total, completed=done, complete_style="cyan", finished_style="green")
    return [bar, f"{done}/{total}"]


def format_counts(counts: Counter) -> str:
    """Writes "3 done, 1 running", in colour."""
    return ", ".join(f"{counts[state]} {coloured(state)}" for state in COLOURS if counts[state])


def coloured(state: str) -> str:
    """A state in rich's markup."""
    return f"[{COLOURS[state]}]{state}[/]"


def duration(seconds: float) -> str:
    """Writes "50 s", "12 min" or "30 h"; nothing for NaN."""
    if math.isnan(seconds):
        return ""
    unit = next((unit for unit in UNITS if seconds >= 2 * UNITS[unit]), "s")
    return f"{seconds / UNITS[unit]:.0f} {unit}"


# SLURM's queue


def held_jobs(checkout: Path) -> Iterator[str]:
    """Yields a line for each reason for which SLURM will not start jobs of this checkout, with the remedy.

    Yields nothing where there is no SLURM, or where it does not answer.
    """
    # The plugin submits in the checkout, with the rule's name as a comment.
    query = ["squeue", "--noheader", "--array", "--states=PENDING", f"--user={os.getuid()}", "--format=%k|%Z|%r"]
    try:
        output = subprocess.run(query, capture_output=True, text=True, check=True, timeout=MOST_QUEUE_WAIT).stdout
    except (OSError, subprocess.SubprocessError):
        return
    jobs = defaultdict(Counter)
    for line in output.splitlines():
        found = re.fullmatch(r"rule_(?P<rule>\w+?)(_wildcards_.*?)?\|(?P<folder>.*)\|(?P<reason>.*)", line)
        if found and found["folder"] == str(checkout):
            jobs[found["reason"]][found["rule"]] += 1
    for reason, counts in jobs.items():
        if remedy := next((text for pattern, text in NEVER_STARTS.items() if re.search(pattern, reason)), None):
            waiting = listed(f"{counted(count, 'job')} of {rule}" for rule, count in counts.items())
            yield f"{waiting} will not start ({reason}): {remedy.format(rules=listed(counts))}"


# The estimate


def estimate(study: Study, results: Path, cores: int) -> Iterator[str]:
    """Yields the lines of the estimate: one row per size, then the whole study on so many cores.

    It takes the speed that the benchmark measured on this machine, or else the reference machine's. Raises
    FileNotFoundError for own data that have not been imported.
    """
    speed, source = measured_speed(results / "tables/speed.json")
    rows = [row | {"seconds": speed.seconds(work_of(row))} for row in planned_work(study, results)]
    yield f"Estimated {source}."
    yield from study.limitations
    yield COSTS.format("size", "runs", "s per run", "core-hours", "memory, MB", "disk per run, MB")
    for size in dict.fromkeys(row["size"] for row in rows):
        of_size = [row for row in rows if row["size"] == size]
        runs, seconds = totals(of_size)
        memory, disk = (f"{max(row[key] for row in of_size):.1f}" for key in ("memory_mb", "disk_mb"))
        yield COSTS.format(size, runs, f"{seconds / runs:.1f}", f"{seconds / 3600:.2f}", memory, disk)
    runs, seconds = totals(rows)
    # A run is not divided among cores, so the study takes at least as long as its longest run.
    wall = max(seconds / cores, *(row["seconds"] for row in rows))
    disk = sum(row["runs"] * row["disk_mb"] for row in rows)
    yield (
        f"{counted(runs, 'run')}, {seconds / 3600:.1f} core-hours: {duration(wall)} on {counted(cores, 'core')}; "
        f"{disk:.0f} MB of disk"
    )


def totals(rows: list[dict]) -> tuple[int, float]:
    """The number of runs in these rows, and the seconds of all of them."""
    return sum(row["runs"] for row in rows), sum(row["runs"] * row["seconds"] for row in rows)


def measured_speed(path: Path) -> tuple[Speed, str]:
    """The speed to estimate by, and where it comes from."""
    if not path.exists():
        return REFERENCE, f"by the reference machine's speed; {make_first('benchmark')}, measures this machine's"
    measured = json.loads(path.read_text(encoding="utf-8"))
    speed = Speed(**measured["speed"])
    return speed, f"by the benchmark on {measured['device']}, {measured['threads']} thread(s) per run"


def planned_work(study: Study, results: Path) -> list[dict]:
    """The rows of `Study.work`. Raises FileNotFoundError where data or networks of the user's own are not known yet."""
    path = results / "networks.json"
    if study.factory and not path.exists():
        raise FileNotFoundError(f"{path}: not found; try the networks first: {make_first(path)}")
    described = json.loads(path.read_text(encoding="utf-8")) if study.factory else {}
    return study.work(dataset_summary(study, results), described)


def make_first(target: Path | str) -> str:
    """The command that makes a target, in words."""
    return f"`snakemake {target} --cores 1`, followed by your --configfile"


def dataset_summary(study: Study, results: Path) -> dict:
    """How much data the study has. Raises FileNotFoundError for own data that have not been imported."""
    if study.synthetic_summary:
        return study.synthetic_summary
    path = results / f"dataset/{study.draws[0]}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; import the data first: {make_first(path)}")
    return json.loads(path.read_text(encoding="utf-8"))


def work_of(row: dict) -> Work:
    """The part of a row of `Study.work` that decides its seconds."""
    return Work(**{key: row[key] for key in ("parameters", "layers", "flops_per_sample", "samples")})
