"""Judges the study: a verdict on every feature in every circumstance, contrasts with references, crossovers.

Reads tables/losses.csv, runs.csv and starts.csv; writes verdicts.csv, features.csv (means by size), contrasts.csv,
crossovers.csv, slopes_by_step.csv and time_lapse.csv. What may be concluded was fixed before any run: see
`widthwise.analysis.verdicts`.
"""

import argparse
import json
from pathlib import Path

from widthwise.analysis.comparisons import contrasts, crossovers, slopes_by_step, time_lapse
from widthwise.analysis.tables import read_table, write_table
from widthwise.analysis.verdicts import feature_means, judge_study
from widthwise.program import start_logging
from widthwise.study.identity import IDENTITY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("losses", "runs", "starts"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"tables/{name}.csv")
    parser.add_argument(
        "--expectations",
        type=json.loads,
        required=True,
        help='JSON of the verdicts that are expected, as {"no_l2": {"objective": {"starting_loss": "flat"}}}',
    )
    parser.add_argument(
        "--references",
        type=json.loads,
        required=True,
        help='JSON of each circumstance\'s reference, as {"no_l2": "as_posted"}',
    )
    for name in ("verdicts", "features", "contrasts", "crossovers", "slopes-by-step", "time-lapse"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    log = start_logging("judge_study")

    losses, runs, starts = (read_table(path) for path in (arguments.losses, arguments.runs, arguments.starts))
    verdicts = judge_study(runs, starts, arguments.expectations)
    expected_contrasts = {name: entry.get("contrast", {}) for name, entry in arguments.expectations.items()}
    judged = list(verdicts["circumstance"].unique())
    judged_losses = losses[losses["circumstance"].isin(judged)]
    tables = {
        arguments.verdicts: verdicts,
        arguments.features: feature_means(runs, starts, judged),
        arguments.contrasts: contrasts(runs, starts, arguments.references, expected_contrasts),
        arguments.crossovers: crossovers(judged_losses, runs[runs["circumstance"].isin(judged)]),
        arguments.slopes_by_step: slopes_by_step(judged_losses, runs),
        arguments.time_lapse: time_lapse(losses.merge(runs[[*IDENTITY, "learning_rate", "diverged"]])),
    }
    for path, table in tables.items():
        write_table(path, table)
    for row in verdicts.itertuples():
        log.info("%s, %s, %s: %s (expected %s)", row.circumstance, row.measure, row.feature, row.verdict, row.expected)


if __name__ == "__main__":
    main()
