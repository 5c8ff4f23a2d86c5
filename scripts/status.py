"""Shows how far every run of a study is, from files alone: while it runs, and from any machine that sees them.

Run it in the checkout, where snakemake runs. Runs at work or in trouble have a line each; the others are counted.

  waiting    not started
  running    gave a sign of life in the last 2 minutes: a line in its log, one every 10 s or so
  stopped    gave none for longer: killed, interrupted or cut off; goes on from its checkpoint when snakemake runs
  failed     ended with an error, shown below the table
  done       finished
  diverged   finished early, since its loss stopped being finite: a result as well
  outdated   finished with other settings than the configuration has now

"objective" is the last that was measured, in nats; "left" is what a run expects at its mean pace; "silent" is the
time since its log's last line. A circumstance's bar shows how many of its runs are done or diverged. What snakemake
would do next is for `snakemake --dry-run` to say.

Examples:

  python scripts/status.py --watch 10
  python scripts/status.py --configfile config/smoke.yaml --all
"""

import contextlib
import json
import math
import re
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from widthwise.study.command_line import read_study, study_parser
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
LISTED = ("running", "stopped", "failed")
UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}
# Seconds without a line in the log: training writes one every 10, and a shared file system may take 60 to show it.
SILENCE = 120


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--all", action="store_true", help="a line for every run, whatever its state")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="show it anew every so often, until Ctrl-C")
    arguments = parser.parse_args()
    study = read_study(arguments.configfile)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    with contextlib.suppress(KeyboardInterrupt):
        console.print(overview(study, everything=arguments.all))
        while arguments.watch:
            time.sleep(arguments.watch)
            shown = overview(study, everything=arguments.all)
            console.clear()
            console.print(shown)


def overview(study: Study, *, everything: bool) -> RenderableType:
    """A table, with what is wrong and a count of all runs below it."""
    results = Path(study.config["pathvars"]["results"])
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)
    table.add_column("state")
    table.add_column("progress", min_width=5, max_width=20, ratio=1)
    for name in ("", "objective", "cubes/s", "left", "silent"):
        table.add_column(name, justify="right", no_wrap=True)
    total, faults = Counter(), []
    for circumstance in study.circumstances:
        found = [(run, *look_at(run, study, results)) for run in study.runs(circumstance)]
        counts = Counter(state for _, state, _ in found)
        total += counts
        untold = Counter({state: counts[state] for state in ("diverged", "outdated", "failed", "stopped")})
        over = counts["done"] + counts["diverged"]
        table.add_row(f"[bold]{circumstance}[/]", in_words(untold), *bar(over, len(found)))
        for run, state, fault in found:
            if everything or state in LISTED:
                table.add_row(f"  {run.size}/seed{run.seed}", *cells(state, *read(log_of(run, results))))
            if fault:
                faults.append(f"[red]{run.name}[/]: {escape(fault)}")
    return Group(table, *faults, f"{results}, {time.strftime('%H:%M:%S')}: {total.total()} runs, {in_words(total)}")


def look_at(run: Run, study: Study, results: Path) -> tuple[str, str]:
    """A run's state, from its record, its log, and the lock that its trainer makes first of all; and what is wrong."""
    folder, log = results / "runs" / run.name, log_of(run, results)
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        text, silence = read(log)
        if "Traceback" in text:
            return "failed", f"{text.splitlines()[-1]} ({log})"
        if not (folder / "checkpoint.lock").exists():
            return "waiting", ""
        return ("running" if silence < SILENCE else "stopped"), ""
    except ValueError as error:
        return "failed", f"{folder / 'run.json'}: not a run's record ({error}); remove it to have it written again"
    if record["settings"] != study.run_settings(run.circumstance, run.size, run.seed):
        return "outdated", ""
    return ("diverged" if record["diverged"] else "done"), ""


def log_of(run: Run, results: Path) -> Path:
    """Where a run's trainer writes what it does."""
    return results / "logs/train" / f"{run.name}.log"


def read(log: Path) -> tuple[str, float]:
    """A log's text, and the seconds since its last line; no text where there is no log."""
    try:
        return log.read_text(encoding="utf-8", errors="replace"), max(0, time.time() - log.stat().st_mtime)
    except FileNotFoundError:
        return "", math.nan


def cells(state: str, text: str, silence: float) -> list[RenderableType]:
    """A run's row, but its name: state, bar, steps, objective, pace, time left, time since the last sign."""
    sitting = re.search(r"going on from step \d+(, sitting \d+)", text)
    described = in_colour(state) + (sitting[1] if sitting else "")
    progress = last_progress(text)
    if progress is None:
        return [described, *[""] * 5, duration(silence)]
    return [
        described,
        *bar(progress.step, progress.steps),
        f"{progress.objective:.4f}",
        f"{progress.cubes_per_second:.0f}",
        duration(progress.seconds_left),
        duration(silence),
    ]


def bar(done: int, of: int) -> list[RenderableType]:
    """A bar, and the same in numbers."""
    return [ProgressBar(total=of, completed=done, complete_style="cyan", finished_style="green"), f"{done}/{of}"]


def in_words(counts: Counter) -> str:
    """As in "3 done, 1 running"."""
    return ", ".join(f"{counts[state]} {in_colour(state)}" for state in COLOURS if counts[state])


def in_colour(state: str) -> str:
    """A state in rich's markup."""
    return f"[{COLOURS[state]}]{state}[/]"


def duration(seconds: float) -> str:
    """As in "50 s", "12 min" or "30 h"; nothing where it is not known."""
    if math.isnan(seconds):
        return ""
    unit = next((unit for unit in UNITS if seconds >= 2 * UNITS[unit]), "s")
    return f"{seconds / UNITS[unit]:.0f} {unit}"


if __name__ == "__main__":
    main()
