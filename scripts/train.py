"""Trains one network and writes its loss log and its record: one circumstance, one width, one seed.

`losses.csv` has a row for each logged step; it is the same to the byte for the same settings, data, machine and
thread count. `run.json` says what was run and how it went. A run whose loss stops being finite is a result: it
ends early, `diverged` is true, and its log holds what was finite.
"""

import argparse
import csv
import json
import math
import platform
import time
from pathlib import Path

import numpy
import torch

from widthwise.architecture import depth
from widthwise.memory import keep_freed_memory
from widthwise.network import Network
from widthwise.output import write_json, written_aside
from widthwise.probe import Probe, balanced_indices
from widthwise.program import start_logging
from widthwise.seeding import Stream, torch_generator
from widthwise.storage import read_dataset
from widthwise.training import Measurement, Training

LOG = start_logging("train")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="the run's settings, as JSON")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file with the cubes")
    parser.add_argument("--summary", type=Path, required=True, help="the dataset.json beside it")
    parser.add_argument("--losses", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--run", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (default: 1)")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)

    settings = arguments.settings
    summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    arrays = read_dataset(arguments.dataset, summary["digest"])
    images, labels = as_tensors(arrays, "train")
    probe_indices = torch.from_numpy(
        balanced_indices(arrays["train/labels"], settings["evaluation"]["probe_size"])
    )
    batch_size = settings["evaluation"]["batch_size"]
    network = Network(
        classes=len(summary["class_counts"]["train"]),
        generator=torch_generator(settings["seed"], Stream.INITIALISATION),
        **settings["network"],
    )
    training = Training(
        network,
        images,
        labels,
        Probe(images[probe_indices], labels[probe_indices], batch_size),
        seed=settings["seed"],
        evaluations_per_epoch=settings["evaluation"]["per_epoch"],
        **settings["training"],
    )
    identity = {
        "circumstance": settings["circumstance"],
        "width": settings["network"]["width"],
        "depth": depth(settings["network"]["stages"]),
        "parameters": network.parameter_count,
        "seed": settings["seed"],
    }
    LOG.info("%s, %d steps", " ".join(f"{key} {value}" for key, value in identity.items()), training.steps)

    start = time.perf_counter()
    measurements = []
    for measurement in training.measurements():
        measurements.append(measurement)
        log_progress(measurement, training, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if training.diverged:
        LOG.info("diverged at step %d: the loss is not finite", training.step)
        test_data_loss = test_accuracy = None
    else:
        test_data_loss, test_accuracy = Probe(*as_tensors(arrays, "test"), batch_size).measure(network)

    write_losses(arguments.losses, identity, measurements)
    write_json(
        arguments.run,
        identity
        | {
            "diverged": training.diverged,
            "steps": training.step,
            "seconds": round(seconds, 3),
            "samples_per_second": round(training.step * training.batch_size / seconds, 3),
            "test_data_loss": test_data_loss,
            "test_accuracy": test_accuracy,
            "device": "cpu",
            "threads": arguments.threads,
            "settings": settings,
            "dataset": summary,
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": numpy.__version__,
            },
        },
    )


def as_tensors(arrays: dict[str, numpy.ndarray], split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A split's images (n, 1, D, H, W) float32 and labels (n,) int64."""
    images = torch.from_numpy(arrays[f"{split}/images"]).unsqueeze(1)
    return images, torch.from_numpy(arrays[f"{split}/labels"]).long()


def log_progress(measurement: Measurement, training: Training, seconds: float) -> None:
    left = seconds / measurement.step * (training.steps - measurement.step) if measurement.step else math.nan
    LOG.info(
        "step %d of %d: objective %.4f = data loss %.4f + penalty %.4f, accuracy %.3f; %.1f cubes/s, %.0f s left",
        measurement.step,
        training.steps,
        measurement.objective,
        measurement.data_loss,
        measurement.penalty,
        measurement.accuracy,
        measurement.step * training.batch_size / seconds,
        left,
    )


def write_losses(path: Path, identity: dict, measurements: list[Measurement]) -> None:
    """One row a measurement; a float is written so that it reads back to the same bits, NaN as empty."""
    columns = (
        "step", "epoch", "objective", "data_loss", "penalty", "accuracy", "running_data_loss", "sum_of_squares",
    )  # fmt: skip
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*identity, *columns])
        for measurement in measurements:
            values = (getattr(measurement, column) for column in columns)
            writer.writerow([*identity.values(), *("" if math.isnan(value) else value for value in values)])


if __name__ == "__main__":
    main()
