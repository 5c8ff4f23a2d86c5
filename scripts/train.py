"""Trains one network and writes its loss log and its record: one circumstance, one size, one seed.

`losses.csv` has one row for each logged step; on a CPU it is the same to the byte for the same settings, data, machine
and thread count. `run.json` says what was run and how it went. A run whose loss stops being finite is a result too: it
ends early, `diverged` is true, and its log holds the rows that were finite. `weights.pt` holds the trained weights.

The run's whole state goes to a checkpoint beside run.json, on the way and at the end. A run that was killed goes on
from it, and so does one that is to train for more epochs than before. Its log is the same to the byte as if it had
never stopped.
"""

import argparse
import json
import math
import platform
import time
from pathlib import Path
from typing import Any

import numpy
import torch

from widthwise.data.storage import Arrays
from widthwise.files import file_digest, write_json, write_rows
from widthwise.program import die_with_parent, start_logging
from widthwise.study.architecture import Complexity, Task, complexity_of
from widthwise.study.code_digest import code_digest
from widthwise.study.settings import RunSettings
from widthwise.training.checkpoint import Checkpoint, only_writer, write_tensors
from widthwise.training.device import device_name, network_parser, start_computing
from widthwise.training.loop import Row, Training, as_tensors, prepare_training
from widthwise.training.optimisation import root_second_moments
from widthwise.training.progress import LINE

LOG = start_logging("train")
# Most seconds between two lines of the log; `study.py status` takes a run for stopped after some more.
SIGN_OF_LIFE = 10
COLUMNS = ("step", "epoch", "objective", "data_loss", "penalty", "accuracy", "sum_of_squares")


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON, as `study.py settings` prints it")
    parser.add_argument("--losses", type=Path, required=True, help="CSV file to write: one row per logged step, nats")
    parser.add_argument("--run", type=Path, required=True, help="JSON file to write: what was run and how it went")
    parser.add_argument("--weights", type=Path, required=True, help="torch file to write: the trained weights")
    parser.add_argument(
        "--checkpoint-interval", type=float, default=30, metavar="SECONDS", help="time between two (default: 30)"
    )
    parser.add_argument("--networks", type=Path, help="JSON file with what the user's own networks cost")
    parser.add_argument("--parent", type=int, metavar="PID", help="the process that starts this one: end when it ends")
    arguments = parser.parse_args()
    if arguments.parent:
        die_with_parent(arguments.parent)
    checkpoint = arguments.run.with_name("checkpoint.pt")
    with only_writer(checkpoint):
        train(arguments, checkpoint)


def train(arguments: argparse.Namespace, checkpoint_path: Path) -> None:
    run = RunSettings.from_dict(arguments.settings)
    summary, arrays, task, device = start_computing(arguments)
    training = prepare_training(run, arrays, task, device)
    columns = training.identity
    LOG.info("%s, %d steps", " ".join(f"{key} {value}" for key, value in columns.items()), training.steps)
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": numpy.__version__}
    computed_with = {"device": device_name(device), "threads": arguments.threads, "versions": versions}
    settings = run.as_dict()
    checkpoint = Checkpoint(
        checkpoint_path,
        {
            "settings": settings | {"training": settings["training"] | {"epochs": None}},
            "dataset": summary["digest"],
            "code": code_digest(Path(__file__)),
            **computed_with,
        },
        arguments.checkpoint_interval,
    )
    sittings, seconds = resume(training, checkpoint)

    def save() -> None:
        checkpoint.save({"sittings": sittings, "seconds": seconds, "training": training.state_dict()})

    start = time.perf_counter() - seconds
    last_line = -math.inf
    for _ in training.proceed():
        seconds = time.perf_counter() - start
        if training.log and seconds - last_line >= SIGN_OF_LIFE:
            log_progress(training, seconds)
            last_line = seconds
        if checkpoint.due():
            save()
    save()
    if training.log:
        log_progress(training, seconds)
    if training.diverged:
        LOG.info("diverged at step %d: the loss is not finite", training.step)
    LOG.info("%.1f s, and %.2f s for checkpoints in this sitting", seconds, checkpoint.seconds)

    write_losses(arguments.losses, columns, training.log)
    write_tensors(arguments.weights, training.network.state_dict())
    samples = training.step * run.training.batch_size
    write_json(
        arguments.run,
        columns
        | {
            "learning_rate": run.training.learning_rate,
            "batch_size": run.training.batch_size,
            "diverged": training.diverged,
            "steps": training.step,
            "planned_steps": training.steps,
            "steps_per_epoch": training.steps_per_epoch,
            "classes": task.classes,
            "sittings": sittings,
            "seconds": round(seconds, 3),
            "samples_per_second": round(samples / seconds, 3) if seconds else 0,
            "flops_per_step": run.training.batch_size * complexity(arguments, run, task).flops_per_sample,
            **test_losses(training, arrays),
            **second_moments(training),
            **computed_with,
            "losses_digest": file_digest(arguments.losses),
            "settings": settings,
            "dataset": summary,
        },
    )


def complexity(arguments: argparse.Namespace, run: RunSettings, task: Task) -> Complexity:
    """What training the run's network costs."""
    networks = json.loads(arguments.networks.read_text(encoding="utf-8")) if arguments.networks else {}
    return complexity_of(run.network, task, networks)


def resume(training: Training, checkpoint: Checkpoint) -> tuple[int, float]:
    """Goes to the run's last state, if it has one that can be trained on; returns the sitting's number, from 1, and the
    seconds spent before it."""
    state = checkpoint.load()
    if state is None:
        return 1, 0.0
    if state["training"]["step"] > training.steps:
        checkpoint.set_aside(f"is already at step {state['training']['step']}")
        return 1, 0.0
    training.load_state_dict(state["training"])
    LOG.info("going on from step %d, sitting %d", training.step, state["sittings"] + 1)
    return state["sittings"] + 1, state["seconds"]


def test_losses(training: Training, arrays: Arrays) -> dict[str, float | None]:
    """Data loss (nats) and accuracy on the test split; none where the run diverged."""
    if training.diverged:
        return {"test_data_loss": None, "test_accuracy": None}
    loss, accuracy = training.test(*as_tensors(arrays, "test", training.device))
    return {"test_data_loss": loss if math.isfinite(loss) else None, "test_accuracy": accuracy}


def second_moments(training: Training) -> dict[str, float | None]:
    """Adam's median root second moment at the end, and the share of weights for which epsilon is larger."""
    moments = root_second_moments(training.optimiser)
    if moments is None or training.diverged:
        return {"median_root_second_moment": None, "share_below_epsilon": None}
    epsilon = training.optimiser.param_groups[0]["eps"]
    return {
        "median_root_second_moment": moments.median().item(),
        "share_below_epsilon": (moments < epsilon).float().mean().item(),
    }


def log_progress(training: Training, seconds: float) -> None:
    """Logs how far the run is, with its last row; `seconds` are those of all its steps."""
    last, step = training.log[-1], training.step
    LOG.info(
        LINE,
        step,
        training.steps,
        last.objective,
        last.data_loss,
        last.penalty,
        last.accuracy,
        last.step,
        step * training.run.training.batch_size / seconds if seconds else 0,
        seconds / step * (training.steps - step) if step else math.nan,
    )


def write_losses(path: Path, identity_columns: dict[str, Any], log: list[Row]) -> None:
    """Writes one line per row of the log; floats read back to the same bits."""
    rows = ([*identity_columns.values(), *(getattr(row, column) for column in COLUMNS)] for row in log)
    write_rows(path, [*identity_columns, *COLUMNS], rows)


if __name__ == "__main__":
    main()
