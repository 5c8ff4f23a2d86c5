"""Measures how fast this machine trains: each size's step, what a user would pick instead, the limits, and whole runs.

`speed.csv` has one row for each size and method, in samples per second: ours, the textbook loop, Lightning's Trainer
and Keras' fit on TensorFlow and on torch where their packages are installed, and the machine's limits. `speed.json` has
the speed that fits all sizes, by which the cost of a study is estimated. `run_seconds.csv` has the seconds of whole
runs of the smallest size, of more epochs and on more data. Run it alone: whatever runs beside it makes it wrong.
"""

import json
import time
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

import numpy
import pandas
import torch

from widthwise.analysis.tables import write_table
from widthwise.data.storage import Arrays
from widthwise.files import write_json
from widthwise.program import start_logging
from widthwise.study.architecture import Complexity, Task
from widthwise.study.cost import Speed, run_work
from widthwise.study.settings import RunSettings
from widthwise.training.benchmark import LIMITS, fitted_speed, samples_per_second
from widthwise.training.device import device_name, network_parser, start_computing
from widthwise.training.loop import prepare_training

TURNS = 9  # timings of each method
# Epochs, and the training data divided by so much.
WHOLE_RUNS = (("epochs", 1, 4), ("epochs", 2, 4), ("epochs", 4, 4), ("data", 1, 2), ("data", 1, 1))


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="settings of one run of each size, as JSON")
    parser.add_argument("--complexities", type=json.loads, required=True, help="what each of them costs, as JSON")
    parser.add_argument("--speed-table", type=Path, required=True, help="CSV file to write: samples per second")
    parser.add_argument("--speed", type=Path, required=True, help="JSON file to write: the speed that fits all sizes")
    parser.add_argument("--seconds-table", type=Path, required=True, help="CSV file to write: seconds of whole runs")
    arguments = parser.parse_args()
    log = start_logging("measure_speed")

    _, arrays, task, device = start_computing(arguments)
    runs = [RunSettings.from_dict(settings) for settings in arguments.settings]
    complexities = [Complexity(**values) for values in arguments.complexities]
    rows = []
    for run, complexity in zip(runs, complexities, strict=True):
        rows += samples_per_second(run, complexity, arrays, task, device, TURNS)
        log.info("%s measured", run.size)
    table = pandas.DataFrame(rows)
    ours = table[table["method"] == "widthwise"]
    speed = fitted_speed(
        *(ours[column].to_numpy() for column in ("layers", "flops_per_sample")),
        1 / ours["samples_per_second"].to_numpy(),
    )
    smallest = complexities.index(min(complexities, key=attrgetter("parameters")))
    seconds = pandas.DataFrame(whole_runs(runs[smallest], complexities[smallest], arrays, task, device, speed))
    write_table(arguments.speed_table, table)
    write_table(arguments.seconds_table, seconds)
    write_json(arguments.speed, {"speed": asdict(speed), "device": device_name(device), "threads": arguments.threads})
    rates = rates_by_method(table)
    for title, columns in (("samples per second", rates), ("ours relative to the others", relative_to_others(rates))):
        log.info("%s\n%s", title, columns.to_string(float_format="{:.2f}".format))


def whole_runs(
    run: RunSettings, complexity: Complexity, arrays: Arrays, task: Task, device: torch.device, speed: Speed
) -> list[dict]:
    """Seconds of runs, without the start of a process: of more epochs, and on more data.

    Parts of the data that are smaller than a batch are left out.
    """
    rows = []
    for axis, epochs, divisor in WHOLE_RUNS:
        part = {name: array[::divisor] if name.startswith("train/") else array for name, array in arrays.items()}
        counts = numpy.bincount(part["train/labels"], minlength=task.classes)
        if counts.sum() < run.training.batch_size:
            continue
        shortened = replace(run, training=replace(run.training, epochs=epochs))
        training = prepare_training(shortened, part, task, device)
        start = time.perf_counter()
        for _ in training.proceed():
            pass
        seconds = time.perf_counter() - start
        work = run_work(shortened, complexity, {"class_counts": {"train": counts.tolist(), "test": []}})
        rows.append(
            {
                "axis": axis,
                "epochs": epochs,
                "train_samples": int(counts.sum()),
                "steps": training.step,
                "seconds": seconds,
                "estimated": speed.training_seconds(work),
            }
        )
    return rows


def rates_by_method(table: pandas.DataFrame) -> pandas.DataFrame:
    """One row for each size, smallest first: samples per second, with a column for each method that was measured."""
    rates = table.pivot(index=["size", "parameters"], columns="method", values="samples_per_second")
    return rates.sort_index(level="parameters")[list(table["method"].unique())]


def relative_to_others(rates: pandas.DataFrame) -> pandas.DataFrame:
    """How many times as fast as each other method ours is, and which share of the limits it reaches."""
    return pandas.DataFrame(
        {
            ("share_of_" if method in LIMITS else "times_") + method: rates["widthwise"] / rates[method]
            for method in rates.columns.drop("widthwise")
        }
    )


if __name__ == "__main__":
    main()
