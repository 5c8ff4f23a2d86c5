"""Measures the loss before any update over many initialisations of one network, forward only.

At step 0 the data loss is dominated by the head's random draw, so a study's few seeds say little about where a
size starts. Writes a row for each initialisation: the network's identity, with the initialisation's seed, data_loss,
sum_of_squares. The penalty is left to who knows lambda: circumstances with the same network share this.

Beside it, a row for each layer, but for a head that starts at zero: the sum of squares that its variance predicts, the
mean over the initialisations, and the standard error of that mean, by the fourth moment of what is drawn.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from widthwise.files import write_rows
from widthwise.model.initialisation import expected_sum_of_squares
from widthwise.program import start_logging
from widthwise.study.architecture import Layer
from widthwise.study.identity import identity
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import prepare_data, prepare_network
from widthwise.training.objective import Penalty

SUMS = ["layer", "expected", "mean", "standard_error"]
# Variance of the square of one entry, in units of its squared variance.
SPREAD = {"uniform": 0.8, "normal": 2.0}


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
    means = numpy.mean(sums, axis=0)
    predicted = predicted_sums(network.layers, settings["network"])
    table = [
        [*who.values(), layer.name, expected, mean, error / arguments.initialisations**0.5]
        for layer, (expected, error), mean in zip(network.layers, predicted, means, strict=True)
        if expected
    ]
    write_rows(arguments.sums_of_squares, [*who, *SUMS], table)
    log.info("%d initialisations of %s", arguments.initialisations, who["size"])


def predicted_sums(layers: Sequence[Layer], network: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Mean and standard deviation of each kernel's sum of squares over initialisations; 0 for a head at zero."""
    scheme, head = network["initialisation"], network["head_initialisation"]
    drawn = "uniform" if scheme in ("glorot", "default") else "normal"
    predicted = []
    for layer in layers:
        expected, entries = expected_sum_of_squares([layer], scheme, network["initial_std"]), drawn
        if layer is layers[-1] and head != "as_kernels":
            expected, entries = {"zero": 0.0, "unit": float(layer.weights)}[head], "normal"
        predicted.append((expected, expected * (SPREAD[entries] / layer.weights) ** 0.5))
    return predicted


if __name__ == "__main__":
    main()
