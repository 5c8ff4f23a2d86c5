"""Embeds each trained network of a circumstance and seed in every wider one; measures all on the same mini-batches.

Writes one row for each pair of sizes: losses in nats of the smaller network, of the wider one that it is embedded in,
and of the wider one as trained. The first two differ by rounding: what a network reaches, a wider one can reach.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from widthwise.files import write_rows
from widthwise.model.nesting import embed
from widthwise.program import start_logging
from widthwise.study.settings import RunSettings
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import Row, Training, prepare_training

BATCHES = 4
MEASURES = ("data_loss", "penalty", "objective")
COLUMNS = ["circumstance", "seed", "smaller", "larger", "smaller_parameters", "larger_parameters"]
ROLES = ("smaller", "embedded", "larger")


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of each size")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.pt of each size")
    parser.add_argument("--nesting", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    log = start_logging("embed_networks")

    trained = sorted(trained_networks(arguments), key=lambda training: training.run.network.width)
    reached = {training.run.size: measure(training) for training in trained}
    rows = []
    for place, larger in enumerate(trained):
        own = {name: value.clone() for name, value in larger.network.state_dict().items()}
        for smaller in trained[:place]:
            embed(smaller.network, larger.network)
            losses = (reached[smaller.run.size], measure(larger), reached[larger.run.size])
            rows.append([*names(smaller, larger), *(getattr(row, key) for row in losses for key in MEASURES)])
            larger.network.load_state_dict(own)
    write_rows(arguments.nesting, [*COLUMNS, *(f"{role}_{key}" for role in ROLES for key in MEASURES)], rows)
    differences = [abs(row[len(COLUMNS) + 5] - row[len(COLUMNS) + 2]) for row in rows]
    log.info("%d pairs; objectives differ by at most %.1e nats", len(rows), max(differences, default=0))


def trained_networks(arguments: argparse.Namespace) -> list[Training]:
    """Each run with its trained weights; those that diverged are left out."""
    _, arrays, task, device = start_computing(arguments)
    trained = []
    for run_path, weights_path in zip(arguments.runs, arguments.weights, strict=True):
        record = json.loads(run_path.read_text(encoding="utf-8"))
        if record["diverged"]:
            continue
        run = RunSettings.from_dict(record["settings"])
        # Dropout would draw other features for other widths.
        run = replace(run, network=replace(run.network, dropout=0))
        run = replace(run, evaluation=replace(run.evaluation, starting_batches=BATCHES))
        training = prepare_training(run, arrays, task, device)
        training.network.load_state_dict(torch.load(weights_path, map_location=device, weights_only=True))
        trained.append(training)
    return trained


def measure(training: Training) -> Row:
    """The network's losses on the run's first mini-batches, in train mode."""
    return training.row(training.starting_totals())


def names(smaller: Training, larger: Training) -> list[str | int]:
    """The cells of `COLUMNS`."""
    first, second = smaller.identity, larger.identity
    return [
        first["circumstance"],
        first["seed"],
        *(one[key] for key in ("size", "parameters") for one in (first, second)),
    ]


if __name__ == "__main__":
    main()
