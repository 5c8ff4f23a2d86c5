"""Puts starting losses together: for each circumstance, the measurements of the networks that it starts with.

Reads seed, data_loss and sum_of_squares of each network; writes a row for each circumstance, size and
initialisation: the run's identity, objective, data_loss, penalty.
"""

import argparse
import json
from pathlib import Path

from widthwise.analysis.tables import gather_starts, read_table, write_table
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=Path, nargs="+", required=True, help="each network's starting losses")
    parser.add_argument(
        "--names",
        type=json.loads,
        required=True,
        help='JSON of whose starting losses each circumstance shares, as {"no_l2": "as_posted"}',
    )
    parser.add_argument(
        "--l2", type=json.loads, required=True, help='JSON of the lambda in each one\'s objective, as {"no_l2": 0}'
    )
    parser.add_argument("--starts-table", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    log = start_logging("gather_starts")

    starts = gather_starts([read_table(path) for path in arguments.starts], arguments.names, arguments.l2)
    write_table(arguments.starts_table, starts)
    log.info("%d starting losses of %d circumstances", len(starts), len(arguments.names))


if __name__ == "__main__":
    main()
