"""Measures the loss before any update over many initialisations of one circumstance's sizes, forward only.

At step 0 the data loss is dominated by the head's random draw, so a study's few seeds say little about where a
size starts. Writes a row for each initialisation: the run's identity, objective, data_loss, penalty.
"""

import argparse
import csv
import json
from pathlib import Path

import torch

from widthwise.identity import identity
from widthwise.memory import keep_freed_memory
from widthwise.output import written_aside
from widthwise.program import start_logging
from widthwise.storage import read_dataset
from widthwise.training import prepare_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="each size's settings, as a JSON list")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file with the cubes")
    parser.add_argument("--summary", type=Path, required=True, help="the dataset.json beside it")
    parser.add_argument("--initialisations", type=int, required=True, help="how many, from seed 0 on")
    parser.add_argument("--starts", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (default: 1)")
    arguments = parser.parse_args()
    log = start_logging("measure_starts")
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)

    summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    arrays = read_dataset(arguments.dataset, summary["digest"])
    rows = []
    for size_settings in arguments.settings:
        for seed in range(arguments.initialisations):
            settings = size_settings | {"seed": seed}
            training = prepare_training(settings, arrays, classes=len(summary["class_counts"]["train"]))
            who, start = identity(settings, training.network.parameter_count), training.measure()
            rows.append([*who.values(), start.objective, start.data_loss, start.penalty])
        log.info("%d initialisations of %s", arguments.initialisations, who["size"])
    with written_aside(arguments.starts) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*who, "objective", "data_loss", "penalty"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
