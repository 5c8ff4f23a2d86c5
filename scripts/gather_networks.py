"""Puts the descriptions of a user's own networks together, and checks that they grow with their size.

Each entry of the JSON file that it writes is one network, by `network_key`: the names that it has in the study, as in
"baseline/width8", and what `describe_network.py` found. Two sizes with as many parameters end it, with what to change.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from widthwise.files import write_json
from widthwise.program import start_logging
from widthwise.study.architecture import network_key
from widthwise.study.circumstances import pairs_alike
from widthwise.study.factory import FactoryError
from widthwise.study.plan import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--networks", type=Path, nargs="+", required=True, help="what describe_network.py wrote")
    parser.add_argument("--gathered", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    start_logging("gather_networks")

    networks: dict[str, dict[str, Any]] = {}
    for path in arguments.networks:
        for key, found in json.loads(path.read_text(encoding="utf-8")).items():
            networks[key] = {"names": []} | found
    name_networks(Study.read(arguments.study), networks)
    write_json(arguments.gathered, networks)


def name_networks(study: Study, networks: dict[str, dict[str, Any]]) -> None:
    """Adds the name of each size of each circumstance to its network.

    Raises FactoryError where two sizes of a circumstance have the same number of parameters.
    """
    for name in study.circumstances:
        parameters = {}
        for size in study.sizes(name):
            network = networks[network_key(study.run_settings(name, size, 0).network)]
            network["names"].append(f"{name}/{size}")
            parameters[size] = network["complexity"]["parameters"]
        for one, other, count in pairs_alike(parameters):
            raise FactoryError(
                f"{study.factory}: {one} and {other} of {name} have the same number of parameters, {count}; leave one "
                "out, or let the network grow with its size"
            )


if __name__ == "__main__":
    main()
