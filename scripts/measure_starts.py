"""Measures the loss before any update over many initialisations of one network, forward only.

At step 0 the data loss is dominated by the head's random draw, so a study's few seeds say little about where a
size starts. Writes a row for each initialisation: the network's identity, with the initialisation's seed, data_loss,
sum_of_squares. The penalty is left to who knows lambda: circumstances with the same network share this.
"""

import json
from pathlib import Path

from widthwise.identity import identity
from widthwise.objective import Penalty
from widthwise.output import write_rows
from widthwise.program import start_logging
from widthwise.torch_program import network_parser, start_computing
from widthwise.training import prepare_data, prepare_network


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument(
        "--settings",
        type=json.loads,
        required=True,
        help="a run's settings in JSON, as print_settings.py prints them; its seed does not count",
    )
    parser.add_argument("--initialisations", type=int, required=True, help="how many, from seed 0 on")
    parser.add_argument("--starts", type=Path, required=True, help="CSV file to write: a row for each initialisation")
    arguments = parser.parse_args()
    log = start_logging("measure_starts")

    _, arrays, classes, device = start_computing(arguments)
    rows = []
    for seed in range(arguments.initialisations):
        settings = arguments.settings | {"seed": seed}
        network = prepare_network(settings, classes, device)
        _, _, probe = prepare_data(settings, arrays, device)
        data_loss, _ = probe.measure(network)
        who = identity(settings, network.parameter_count)
        rows.append([*who.values(), data_loss, Penalty(network.kernels, l2=0).sum_of_squares()])
    write_rows(arguments.starts, [*who, "data_loss", "sum_of_squares"], rows)
    log.info("%d initialisations of %s", arguments.initialisations, who["size"])


if __name__ == "__main__":
    main()
