"""Measures the loss before any update over many initialisations of one network, forward only.

At step 0 the data loss is dominated by the head's random draw, so a study's few seeds say little about where a
size starts. Writes a row for each initialisation: the network's identity, with the initialisation's seed, data_loss,
sum_of_squares. The penalty is left to who knows lambda: circumstances with the same network share this.

Beside it, a row for each layer whose kernel the scheme draws: the sum of squares that the scheme's variance predicts,
the mean over the initialisations, and by how many standard errors the two differ.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from widthwise.architecture import Layer
from widthwise.identity import identity
from widthwise.initialisation import expected_sum_of_squares
from widthwise.objective import Penalty
from widthwise.output import write_rows
from widthwise.program import start_logging
from widthwise.torch_program import network_parser, start_computing
from widthwise.training import prepare_data, prepare_network

SUMS = ["layer", "expected", "mean", "z"]


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
    parser.add_argument("--sums-of-squares", type=Path, required=True, help="CSV file to write: a row for each layer")
    arguments = parser.parse_args()
    log = start_logging("measure_starts")

    _, arrays, classes, device = start_computing(arguments)
    rows, sums = [], []
    for seed in range(arguments.initialisations):
        settings = arguments.settings | {"seed": seed}
        network = prepare_network(settings, classes, device)
        _, _, probe = prepare_data(settings, arrays, device)
        data_loss, _ = probe.measure(network)
        who = identity(settings, network.parameter_count)
        rows.append([*who.values(), data_loss, Penalty(network.kernels, l2=0).sum_of_squares()])
        sums.append([Penalty([kernel], l2=0).sum_of_squares() for kernel in network.kernels])
    write_rows(arguments.starts, [*who, "data_loss", "sum_of_squares"], rows)
    del who["seed"]
    table = compare_sums(numpy.array(sums), network.layers, settings["network"])
    write_rows(arguments.sums_of_squares, [*who, *SUMS], [[*who.values(), *row] for row in table])
    log.info("%d initialisations of %s", arguments.initialisations, who["size"])


def compare_sums(sums: numpy.ndarray, layers: Sequence[Layer], network: Mapping[str, Any]) -> list[list]:
    """A row a layer, as `SUMS` has them, from its sums (initialisations, layers); not of a head drawn otherwise."""
    drawn = len(layers) if network["head_initialisation"] == "as_kernels" else len(layers) - 1
    rows = []
    for layer, of_layer in zip(layers[:drawn], sums.T[:drawn], strict=True):
        expected = expected_sum_of_squares([layer], network["initialisation"], network["initial_std"])
        error = of_layer.std(ddof=1) / len(of_layer) ** 0.5
        rows.append([layer.name, expected, of_layer.mean(), (of_layer.mean() - expected) / error])
    return rows


if __name__ == "__main__":
    main()
