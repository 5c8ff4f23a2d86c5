"""Measures the loss before any update over many initialisations of one network, forward only.

Writes one row for each initialisation: circumstance, size, width, depth, parameters, backbone, head, data_loss (nats),
sum_of_squares. Initialisations with the same `backbone` share all layers but the head.
"""

import json
from pathlib import Path

from widthwise.files import write_rows
from widthwise.program import start_logging
from widthwise.study.identity import network_identity
from widthwise.study.settings import StartSettings
from widthwise.training.device import network_parser, start_computing
from widthwise.training.starts import measure_starts

COLUMNS = ("backbone", "head", "data_loss", "sum_of_squares")


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="the network and how it is measured, as JSON"
    )
    parser.add_argument("--starts", type=Path, required=True, help="CSV file to write: one row for each initialisation")
    arguments = parser.parse_args()
    log = start_logging("measure_starts")

    settings = StartSettings.from_dict(arguments.settings)
    _, arrays, task, device = start_computing(arguments)
    starts = list(measure_starts(settings, arrays, task, device))
    columns = network_identity(settings, starts[0].parameters, starts[0].depth)
    rows = ([*columns.values(), *(getattr(start, column) for column in COLUMNS)] for start in starts)
    write_rows(arguments.starts, [*columns, *COLUMNS], rows)
    log.info("%d initialisations of %s", len(starts), settings.size)


if __name__ == "__main__":
    main()
