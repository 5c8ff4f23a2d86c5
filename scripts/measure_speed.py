"""Measures how fast this machine trains: each size's step, the textbook's, the machine's limit, and whole runs.

`speed.csv` has a row a size and method, in samples a second; `speed.json` the speed that fits all sizes, by which
a study's cost is estimated; `run_seconds.csv` the seconds of whole runs of the smallest size, of more epochs and on
more data. Only what runs beside it makes it wrong: run it alone.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy
import pandas
import torch

from widthwise.analysis.tables import write_table
from widthwise.data.storage import Arrays
from widthwise.files import write_json
from widthwise.program import start_logging
from widthwise.study.cost import Speed, run_work
from widthwise.training.benchmark import fitted_speed, samples_per_second
from widthwise.training.device import device_name, network_parser, start_computing
from widthwise.training.loop import prepare_training


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="settings of one run a size, as JSON")
    parser.add_argument("--turns", type=int, default=9, help="timings of each method (default: 9)")
    parser.add_argument("--speed-table", type=Path, required=True, help="CSV file to write: samples a second")
    parser.add_argument("--speed", type=Path, required=True, help="JSON file to write: the speed that fits all sizes")
    parser.add_argument("--seconds-table", type=Path, required=True, help="CSV file to write: seconds of whole runs")
    arguments = parser.parse_args()
    log = start_logging("measure_speed")

    _, arrays, classes, device = start_computing(arguments)
    rows = []
    for settings in arguments.settings:
        rows += samples_per_second(settings, arrays, classes, device, arguments.turns)
        log.info("%s measured", settings["size"])
    table = pandas.DataFrame(rows)
    ours = table[table["method"] == "widthwise"]
    speed = fitted_speed(
        *(ours[column].to_numpy() for column in ("layers", "flops_per_sample")),
        1 / ours["samples_per_second"].to_numpy(),
    )
    smallest = min(arguments.settings, key=lambda settings: settings["network"]["width"])
    seconds = pandas.DataFrame(whole_runs(smallest, arrays, classes, device, speed))
    write_table(arguments.speed_table, table)
    write_table(arguments.seconds_table, seconds)
    write_json(arguments.speed, {"speed": asdict(speed), "device": device_name(device), "threads": arguments.threads})
    log.info("samples a second\n%s", comparison(table).to_string(float_format="{:.2f}".format))


def whole_runs(settings: dict, arrays: Arrays, classes: int, device: torch.device, speed: Speed) -> list[dict]:
    """Seconds of runs without their start: of one, two and four epochs, and on half and a quarter of the data."""
    rows = []
    for axis, epochs, part in (("epochs", 1, 4), ("epochs", 2, 4), ("epochs", 4, 4), ("data", 1, 2), ("data", 1, 1)):
        some = {name: array[::part] if name.startswith("train/") else array for name, array in arrays.items()}
        counts = numpy.bincount(some["train/labels"], minlength=classes)
        probe_size = min(settings["evaluation"]["probe_size"], classes * int(counts.min()))
        shortened = settings | {
            "training": settings["training"] | {"epochs": epochs},
            "evaluation": settings["evaluation"] | {"probe_size": probe_size},
        }
        training = prepare_training(shortened, some, classes, device)
        start = time.perf_counter()
        for _ in training.proceed():
            pass
        seconds = time.perf_counter() - start
        side = training.images.shape[-1]
        work = run_work(shortened, {"class_counts": {"train": counts.tolist(), "test": []}, "cube_side": side})
        rows.append(
            {
                "axis": axis,
                "epochs": epochs,
                "train_cubes": int(counts.sum()),
                "steps": training.step,
                "seconds": seconds,
                "estimated": speed.training_seconds(work),
            }
        )
    return rows


def comparison(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row a size: samples a second of each method, and how ours stands to the others."""
    rates = table.pivot(index=["size", "parameters"], columns="method", values="samples_per_second")
    rates = rates.sort_index(level="parameters")[["widthwise", "textbook", "evaluation", "limit"]]
    return rates.assign(
        times_textbook=rates["widthwise"] / rates["textbook"], share_of_limit=rates["widthwise"] / rates["limit"]
    )


if __name__ == "__main__":
    main()
