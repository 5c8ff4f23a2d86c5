"""Finds the best learning rate of every width and seed on a grid, and how it moves with width.

Reads tables/runs.csv, writes learning_rates.csv (the optima), learning_rate_slopes.csv (how they move) and
learning_rate_verdicts.csv (whether wider is better, at every rate).
"""

import argparse
import json
from pathlib import Path

from widthwise.analysis.learning_rates import best_rates, rate_slopes, rate_verdicts
from widthwise.analysis.tables import read_table, write_table
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="tables/runs.csv")
    parser.add_argument(
        "--grids",
        type=json.loads,
        required=True,
        help='JSON of each grid\'s circumstances, as {"rates": ["rates_0.001", "rates_0.002"]}',
    )
    parser.add_argument("--base-width", type=int, required=True, help="width at whose best rate wider is compared")
    parser.add_argument("--optima", type=Path, required=True, help="CSV to write")
    parser.add_argument(
        "--expectations",
        type=json.loads,
        required=True,
        help='JSON of what the best rate is expected to do as width doubles, as {"rates": "falls"}',
    )
    parser.add_argument("--slopes", type=Path, required=True, help="CSV to write")
    parser.add_argument("--verdicts", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    log = start_logging("fit_learning_rates")

    runs = read_table(arguments.runs)
    best = best_rates(runs, arguments.grids)
    tables = {
        arguments.optima: best,
        arguments.slopes: rate_slopes(best, arguments.expectations),
        arguments.verdicts: rate_verdicts(runs, best, arguments.grids, arguments.base_width),
    }
    for path, table in tables.items():
        write_table(path, table)
    log.info("%d optima, %d of them censored", len(best), best["censored"].sum())


if __name__ == "__main__":
    main()
