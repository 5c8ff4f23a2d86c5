"""Follows the first steps of one network layer by layer: how much each layer's output changes on a fixed batch.

Writes one row for each seed, step and layer: the run's identity, step, layer, rms_change. The seeds do not depend on
the study's.
"""

import json
from dataclasses import replace
from pathlib import Path

from widthwise.files import write_rows
from widthwise.program import start_logging
from widthwise.study.settings import RunSettings
from widthwise.training.coordinates import changes, normalised_outputs
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import prepare_training

SEEDS = 5


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="a run's settings as JSON; not its seed")
    parser.add_argument("--coordinates", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    log = start_logging("check_coordinates")

    settings = RunSettings.from_dict(arguments.settings)
    _, arrays, task, device = start_computing(arguments)
    rows = []
    for seed in range(SEEDS):
        training = prepare_training(replace(settings, seed=seed), arrays, task, device)
        columns = training.identity
        rows += [[*columns.values(), *change] for change in changes(training, normalised_outputs(training))]
    write_rows(arguments.coordinates, [*columns, "step", "layer", "rms_change"], rows)
    log.info("%s: %d seeds", settings.size, SEEDS)


if __name__ == "__main__":
    main()
