"""Measures the loss before any update over many initialisations of one circumstance's sizes, forward only.

At step 0 the data loss is dominated by the head's random draw, so a study's few seeds say little about where a
size starts. Writes a row for each initialisation: the run's identity, objective, data_loss, penalty.
"""

import json
from pathlib import Path

from widthwise.identity import identity
from widthwise.output import write_rows
from widthwise.program import start_logging
from widthwise.torch_program import network_parser, start_computing
from widthwise.training import prepare_training


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="each size's settings, as a JSON list")
    parser.add_argument("--initialisations", type=int, required=True, help="how many, from seed 0 on")
    parser.add_argument("--starts", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    log = start_logging("measure_starts")

    _, arrays, classes = start_computing(arguments)
    rows = []
    for size_settings in arguments.settings:
        for seed in range(arguments.initialisations):
            settings = size_settings | {"seed": seed}
            training = prepare_training(settings, arrays, classes=classes)
            who, start = identity(settings, training.network.parameter_count), training.measure()
            rows.append([*who.values(), start.objective, start.data_loss, start.penalty])
        log.info("%d initialisations of %s", arguments.initialisations, who["size"])
    write_rows(arguments.starts, [*who, "objective", "data_loss", "penalty"], rows)


if __name__ == "__main__":
    main()
