"""Trains one network and writes its loss log and its record: one circumstance, one width, one seed.

`losses.csv` has a row for each logged step; it is the same to the byte for the same settings, data, machine and
thread count. `run.json` says what was run and how it went. A run whose loss stops being finite is a result: it
ends early, `diverged` is true, and its log holds what was finite. The trained network's state is kept for what
looks at it later.
"""

import json
import math
import platform
import time
from pathlib import Path

import numpy
import torch

from widthwise.architecture import training_flops
from widthwise.identity import identity
from widthwise.optimisation import root_second_moments
from widthwise.output import write_json, write_rows, written_aside
from widthwise.probe import Probe
from widthwise.program import start_logging
from widthwise.storage import Arrays
from widthwise.torch_program import network_parser, start_computing
from widthwise.training import Measurement, Training, as_tensors, prepare_training

LOG = start_logging("train")


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="the run's settings, as JSON")
    parser.add_argument("--losses", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--run", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--weights", type=Path, required=True, help="file for the trained network's state")
    arguments = parser.parse_args()

    settings = arguments.settings
    summary, arrays, classes = start_computing(arguments)
    training = prepare_training(settings, arrays, classes=classes)
    network = training.network
    who = identity(settings, network.parameter_count)
    LOG.info("%s, %d steps", " ".join(f"{key} {value}" for key, value in who.items()), training.steps)

    start = time.perf_counter()
    measurements = []
    for measurement in training.measurements():
        measurements.append(measurement)
        log_progress(measurement, training, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if training.diverged:
        LOG.info("diverged at step %d: the loss is not finite", training.step)

    write_losses(arguments.losses, who, measurements)
    with written_aside(arguments.weights) as aside:
        torch.save(network.state_dict(), aside)
    write_json(
        arguments.run,
        who
        | {
            "learning_rate": settings["training"]["learning_rate"],
            "diverged": training.diverged,
            "steps": training.step,
            "seconds": round(seconds, 3),
            "samples_per_second": round(training.step * training.batch_size / seconds, 3),
            "flops_per_step": training.batch_size * training_flops(network.layers, arrays["train/images"].shape[-1]),
            **test_losses(training, arrays),
            **second_moments(training),
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


def test_losses(training: Training, arrays: Arrays) -> dict[str, float | None]:
    """Data loss (nats) and accuracy on the test split, measured as the probe is."""
    if training.diverged:
        return {"test_data_loss": None, "test_accuracy": None}
    loss, accuracy = Probe(*as_tensors(arrays, "test"), training.probe.batch_size).measure(training.network)
    return {"test_data_loss": loss, "test_accuracy": accuracy}


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


def write_losses(path: Path, who: dict, measurements: list[Measurement]) -> None:
    """One row a measurement; a float is written so that it reads back to the same bits, NaN as empty."""
    columns = (
        "step", "epoch", "objective", "data_loss", "penalty", "accuracy", "running_data_loss", "sum_of_squares",
    )  # fmt: skip
    values = ([getattr(measurement, column) for column in columns] for measurement in measurements)
    rows = ([*who.values(), *("" if math.isnan(value) else value for value in row)] for row in values)
    write_rows(path, [*who, *columns], rows)


if __name__ == "__main__":
    main()
