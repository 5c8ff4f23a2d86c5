"""Sets the study's numbers beside what others have published or derived, as far as it can speak of each.

Reads the study's tables; writes literature.csv: a row a claim, with its source, theirs, ours, whether they agree (yes,
no, undecided), and the table or figure that shows it.
"""

import argparse
import json
from pathlib import Path

from widthwise.analysis.claims import literature
from widthwise.analysis.tables import read_table, write_table
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("verdicts", "contrasts", "losses", "sums-of-squares"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"tables/{name.replace('-', '_')}.csv")
    for name, table in (
        ("rate-slopes", "learning_rate_slopes"),
        ("rate-verdicts", "learning_rate_verdicts"),
        ("coordinates", "coordinates"),
    ):
        parser.add_argument(f"--{name}", type=Path, help=f"tables/{table}.csv, of a study that has it")
    parser.add_argument(
        "--l2", type=json.loads, required=True, help='JSON of the lambda in each objective, as {"no_l2": 0}'
    )
    parser.add_argument("--literature", type=Path, required=True, help="CSV to write")
    arguments = vars(parser.parse_args())
    log = start_logging("compare_with_literature")

    path, l2 = arguments.pop("literature"), arguments.pop("l2")
    claims = literature(l2=l2, **{name: read_table(table) for name, table in arguments.items() if table})
    write_table(path, claims)
    for row in claims.itertuples():
        log.info("%s: theirs %s; ours %s (agrees: %s)", row.claim, row.theirs, row.ours, row.agrees)


if __name__ == "__main__":
    main()
