"""Builds a user's own network, tries it on a mini-batch, and writes what it costs, before any is trained.

Writes a JSON object with one entry, by `network_key`: parameters, layers, operations and memory, and the arrays that
the penalty leaves out. A network that cannot be trained ends it, with what to change.
"""

import json
from dataclasses import asdict
from pathlib import Path

from widthwise.files import write_json
from widthwise.program import start_logging
from widthwise.study.architecture import network_key
from widthwise.study.settings import RunSettings
from widthwise.training.device import network_parser, start_computing
from widthwise.training.own_network import try_network


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON of a run's settings")
    parser.add_argument("--network", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    log = start_logging("describe_network")

    run = RunSettings.from_dict(arguments.settings)
    _, arrays, task, _ = start_computing(arguments)
    found = try_network(run, arrays, task)
    complexity = found.complexity
    log.info("%s/%s: %d parameters, %d layers", run.circumstance, run.size, complexity.parameters, complexity.layers)
    if found.without_penalty:
        log.warning(
            "penalty and initialisations cover weights of convolution and linear modules alone, without %s",
            ", ".join(found.without_penalty),
        )
    write_json(arguments.network, {network_key(run.network): asdict(found)})


if __name__ == "__main__":
    main()
