"""Measures what a study's size costs the workflow itself: planning its runs, and gathering their logs.

    python tests/measure_scale.py 100 1000 10000

It prints a table: a dry run of the whole study, one of a single run as every job on a cluster plans it, and the
tables. A study of n runs has 10 circumstances, 10 widths and n / 100 seeds; one of 100 runs has 5 widths and 2 seeds.
Nothing is trained: the logs are made up, of 61 rows each.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from widthwise.study.command_line import configured_study  # noqa: E402
from widthwise.study.identity import identity  # noqa: E402
from widthwise.study.plan import Run, Study  # noqa: E402

CIRCUMSTANCES = [
    "baseline", "no_l2", "he_init", "default_init", "fixed_std_init", "fixed_std_no_l2", "l2_in_optimiser",
    "decoupled_decay", "sgd", "dropout",
]  # fmt: skip
WIDTHS = [2, 3, 4, 5, 6, 8, 11, 14, 19, 26]
STEPS, STEPS_PER_EPOCH = 60, 6
# What a run is made with, as far as the tables ask.
DATASET = {"digest": "made up", "class_counts": {"train": [24, 24], "test": [1, 1]}, "shape": [1, 9, 9, 9]}
FACTS = {
    "diverged": False, "steps": STEPS, "planned_steps": STEPS, "steps_per_epoch": STEPS_PER_EPOCH, "classes": 2,
    "sittings": 1, "seconds": 1.0, "samples_per_second": 1.0, "flops_per_step": 1, "test_data_loss": 0.7,
    "test_accuracy": 0.5, "median_root_second_moment": None, "share_below_epsilon": None, "device": "cpu", "threads": 1,
    "dataset": DATASET,
}  # fmt: skip


def measured(command: list[str], log: Path) -> tuple[float, float]:
    """Wall seconds and peak resident MB of a command and its children. Raises CalledProcessError."""
    start = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command, log.read_text())
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def study_of(runs: int, results: Path) -> dict[str, Any]:
    """A configuration of so many runs."""
    seeds = max(2, runs // 100)
    return {
        "pathvars": {"results": str(results)},
        "study": CIRCUMSTANCES,
        "widths": WIDTHS[: runs // (len(CIRCUMSTANCES) * seeds)],
        "seeds": list(range(seeds)),
        "dataset": {"train_cubes": 48},
        "training": {"epochs": STEPS // STEPS_PER_EPOCH},
        "evaluation": {"row_interval": 1},
        "analysis": {"decay_step": 6, "coordinate_check": {"circumstances": []}},
    }


def make_up_run(study: Study, run: Run, folder: Path) -> None:
    """Writes a log and a record such as train.py writes."""
    settings = study.run_settings(run.circumstance, run.size, run.seed)
    columns = identity(settings, 3900 * settings.network.width**2, 20)
    rows = [
        (*columns.values(), step, step / STEPS_PER_EPOCH, 0.5 + 2 * penalty, 0.5 + penalty, penalty, 0.5, 9.0)
        for step, penalty in ((step, 0.2 / (step + 1)) for step in range(STEPS + 1))
    ]
    names = [*columns, "step", "epoch", "objective", "data_loss", "penalty", "accuracy", "sum_of_squares"]
    text = "".join(",".join(map(str, row)) + "\n" for row in [names, *rows])
    folder.mkdir(parents=True)
    (folder / "losses.csv").write_text(text)
    training = {"learning_rate": settings.training.learning_rate, "batch_size": settings.training.batch_size}
    digest = {"losses_digest": hashlib.sha256(text.encode()).hexdigest()}
    record = columns | training | FACTS | digest | {"settings": settings.as_dict()}
    (folder / "run.json").write_text(json.dumps(record))


def gather(study: Study, results: Path, log: Path) -> tuple[float, float]:
    """Seconds and peak MB of all gathering jobs, one after the other."""
    for run in study.runs():
        make_up_run(study, run, results / "runs" / run.name)
    (results / "study.json").write_text(study.record)
    (results / "dataset").mkdir()
    for draw in study.draws:
        (results / f"dataset/{draw}.json").write_text(json.dumps(DATASET))
    tables = {name: str(results / "tables" / name) for name in study.circumstances}
    options = ["--study", str(results / "study.json"), "--runs-folder", str(results / "runs")]
    program = [sys.executable, str(ROOT / "scripts/gather_circumstance.py"), *options]
    costs = [measured([*program, "--circumstance", name, "--tables", folder], log) for name, folder in tables.items()]
    program = [sys.executable, str(ROOT / "scripts/gather_study.py"), *options[:2]]
    costs.append(measured([*program, "--circumstances", *tables.values(), "--tables", str(results / "tables")], log))
    return sum(seconds for seconds, _ in costs), max(memory for _, memory in costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="+", help="sizes of the study, 100 or multiples of it")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    print("|   runs | dry run, s |  MB | one run, s | tables, s |  MB |")
    print("| -----: | ---------: | --: | ---------: | --------: | --: |")
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            results, log, configuration = folder / "results", folder / "log", folder / "study.yaml"
            configuration.write_text(yaml.safe_dump(study_of(runs, results)))
            plan = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", str(configuration)]
            planning = measured(plan, log)
            target = str(results / "runs/baseline/width5/seed0/losses.csv")
            one_run = measured([*plan[:4], target, *plan[4:]], log)
            gathering = gather(configured_study([configuration]), results, log)
        print(
            f"| {runs:6} | {planning[0]:10.1f} | {planning[1]:3.0f} | {one_run[0]:10.1f} "
            f"| {gathering[0]:9.1f} | {gathering[1]:3.0f} |"
        )


if __name__ == "__main__":
    main()
