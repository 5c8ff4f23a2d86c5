"""Measures what a study's size costs the workflow itself: planning its runs, and gathering their logs.

    python tests/measure_scale.py 100 1000 10000

prints a table: a dry run of all, one of a single run as every cluster job plans it, and the tables. A study of n runs
has 10 circumstances, 10 widths and n / 100 seeds (of 100 runs: 5 widths and 2 seeds). Nothing is trained: the logs are
made up, of 60 rows each.
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

import yaml

ROOT = Path(__file__).resolve().parent.parent
CIRCUMSTANCES = [
    "as_posted", "no_l2", "he_init", "default_init", "fixed_std_init", "fixed_std_no_l2", "l2_in_optimiser",
    "decoupled_decay", "sgd", "dropout",
]  # fmt: skip
WIDTHS = [2, 3, 4, 5, 6, 8, 11, 14, 19, 26]


def measured(command: list[str], log: Path) -> tuple[float, float]:
    """Wall seconds and peak resident MB of a command and its children. Raises CalledProcessError."""
    start = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command, log.read_text())
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def make_up_run(folder: Path, circumstance: str, width: int, seed: int) -> None:
    """A log and a record such as train.py writes."""
    identity = {
        "circumstance": circumstance, "size": f"width{width}", "width": width, "depth": 20,
        "parameters": 3900 * width**2, "seed": seed,
    }  # fmt: skip
    columns = [*identity, "step", "epoch", "objective", "data_loss", "penalty", "accuracy", "running_data_loss",
               "sum_of_squares"]  # fmt: skip
    head = ",".join(str(value) for value in identity.values())
    rows = [
        f"{head},{step},{step / 96},{0.7 + 0.2 / (step + 1)},0.7,{0.2 / (step + 1)},0.5,0.7,100" for step in range(60)
    ]
    text = "\n".join([",".join(columns), *rows, ""])
    folder.mkdir(parents=True)
    (folder / "losses.csv").write_text(text)
    record = identity | {
        "diverged": False, "steps": 59, "seconds": 1.0, "learning_rate": 1e-5, "settings": {},
        "losses_digest": hashlib.sha256(text.encode()).hexdigest(), "dataset": {"class_counts": {"train": [9, 9]}},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))


def gather(folder: Path, widths: list[int], seeds: int) -> tuple[float, float]:
    """Seconds and peak MB of all gathering jobs, one after the other."""
    seconds = memory = 0.0
    parts: dict[str, list[str]] = {"losses": [], "runs": []}
    program = [sys.executable, str(ROOT / "scripts/gather_circumstance.py")]
    for circumstance in CIRCUMSTANCES:
        names = [f"{circumstance}/width{width}/seed{seed}" for width in widths for seed in range(seeds)]
        for width in widths:
            for seed in range(seeds):
                make_up_run(folder / f"{circumstance}/width{width}/seed{seed}", circumstance, width, seed)
        tables = {kind: str(folder / f"{circumstance}_{kind}.csv") for kind in parts}
        cost = measured(
            [
                *program, "--decay-step", "16", "--end-window", "0.1", "--expected", *names,
                "--losses", *(str(folder / name / "losses.csv") for name in names),
                "--runs", *(str(folder / name / "run.json") for name in names),
                "--losses-table", tables["losses"], "--runs-table", tables["runs"],
            ],
            folder / "log",
        )  # fmt: skip
        seconds, memory = seconds + cost[0], max(memory, cost[1])
        for kind, path in tables.items():
            parts[kind].append(path)
    cost = measured(
        [
            sys.executable, str(ROOT / "scripts/gather_study.py"), "--losses", *parts["losses"], "--losses-table",
            str(folder / "losses.csv"), "--runs", *parts["runs"], "--runs-table", str(folder / "runs.csv"),
        ],
        folder / "log",
    )  # fmt: skip
    return seconds + cost[0], max(memory, cost[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="+", help="sizes of the study, 100 or multiples of it")
    arguments = parser.parse_args()
    print("|   runs | dry run, s |  MB | one run, s | tables, s |  MB |")
    print("| -----: | ---------: | --: | ---------: | --------: | --: |")
    for runs in arguments.runs:
        seeds = max(2, runs // 100)
        widths = WIDTHS[: runs // (len(CIRCUMSTANCES) * seeds)]
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            study = {
                "pathvars": {"results": str(folder / "results")}, "study": CIRCUMSTANCES, "widths": widths,
                "seeds": list(range(seeds)), "analysis": {"coordinate_check": []},
            }  # fmt: skip
            (folder / "study.yaml").write_text(yaml.safe_dump(study))
            config = ("--configfile", str(folder / "study.yaml"))
            plan = [sys.executable, "-m", "snakemake", "--dry-run"]
            planning = measured([*plan, *config], folder / "log")
            one = str(folder / "results/runs/as_posted/width5/seed0/losses.csv")
            of_one = measured([*plan, one, *config], folder / "log")
            gathering = gather(folder, widths, seeds)
        print(
            f"| {runs:6} | {planning[0]:10.1f} | {planning[1]:3.0f} | {of_one[0]:10.1f} "
            f"| {gathering[0]:9.1f} | {gathering[1]:3.0f} |"
        )


if __name__ == "__main__":
    main()
