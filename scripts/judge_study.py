"""Judges a study by its tables: verdicts, contrasts with references, crossings, learning rates, claims of others.

Reads losses.csv, runs.csv, printed.csv, starts.csv and, if the study follows first steps, coordinates.csv. Writes
verdicts.csv, features.csv, contrasts.csv, crossings.csv, slopes_by_step.csv and literature.csv; penalties.csv and
penalty_ratios.csv if a reported loss holds a penalty; and learning_rates.csv, learning_rate_slopes.csv,
learning_rate_choices.csv, learning_rate_verdicts.csv and learning_rate_budgets.csv if the study has grids of rates.
Loss curves that were not made here have losses.csv and runs.csv alone.
"""

import argparse
from pathlib import Path

import pandas

from widthwise.analysis import learning_rates
from widthwise.analysis.claims import Evidence, literature
from widthwise.analysis.comparisons import Curves, contrasts, crossings, curves_of_study, slopes_by_step
from widthwise.analysis.given_curves import starts_of_curves
from widthwise.analysis.penalties import end_penalties, penalties, penalty_ratios
from widthwise.analysis.tables import make_table, read_table, write_table
from widthwise.analysis.verdicts import LEVELS, LEVELS_OF_CURVES, all_responses, feature_means, judge_study
from widthwise.program import start_logging
from widthwise.study.curves import AnyStudy, read_study
from widthwise.study.requirements import LEAST_SIZES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables, read and written")
    arguments = parser.parse_args()
    log = start_logging("judge_study")

    study = read_study(arguments.study)
    names = ["losses", "runs", *(() if study.curves else ("printed", "starts"))]
    names += ["coordinates"] if study.coordinate_checks else []
    found = {name: read_table(arguments.tables / f"{name}.csv") for name in names}
    judged = judge(study, found)
    for name, table in judged.items():
        write_table(arguments.tables / f"{name}.csv", table)
    for row in judged["verdicts"].itertuples():
        log.info("%s, %s, %s: %s", row.circumstance, row.measure, row.feature, row.verdict)


def judge(study: AnyStudy, found: dict[str, pandas.DataFrame]) -> dict[str, pandas.DataFrame]:
    """Every table that is judged from those that were found, by name."""
    runs, losses = found["runs"], found["losses"]
    catalogue = {name: study.circumstances[name] for name in study.judged}
    levels = LEVELS_OF_CURVES if study.curves else LEVELS
    # Two sizes of given curves are described, not judged.
    starts = starts_of_curves(runs, losses) if study.curves else found["starts"]
    described = all_responses(runs, starts, study.judged, 2 if study.curves else LEAST_SIZES)
    responses = {key: response for key, response in described.items() if len(response.parameters) >= LEAST_SIZES}
    losses_of, printed_of, runs_of = (
        None if table is None else table[table["circumstance"].isin(study.judged)]
        for table in (losses, found.get("printed"), runs)
    )
    curves = list(curves_of_study(losses_of, printed_of, runs_of))
    judged = {
        "verdicts": judge_study(responses, {name: entry.expectation for name, entry in catalogue.items()}, levels),
        "features": feature_means(described, runs),
        "contrasts": contrasts(
            responses,
            {name: study.sizes(name) for name in study.judged},
            study.references,
            {name: entry.expected_contrast for name, entry in catalogue.items()},
            levels,
        ),
        "crossings": crossings(curves),
        "slopes_by_step": slopes_by_step(curves),
    }
    if study.penalised:
        ends = end_penalties(runs, study.penalised)
        judged["penalties"] = penalties(runs, ends)
        judged["penalty_ratios"] = penalty_ratios(runs, ends, study.references, study.expected_penalty_ratios)
    grids = {name: learning_rates.Grid.of(runs, members) for name, members in study.grids.items()}
    if grids:
        judged |= judge_grids(study, grids, losses, runs)
    evidence = Evidence(
        verdicts=judged["verdicts"],
        contrasts=judged["contrasts"],
        losses=losses,
        runs=runs,
        coordinates=found.get("coordinates", make_table("coordinates", [])),
        grids=grids,
        rate_verdicts=judged.get("learning_rate_verdicts", make_table("learning_rate_verdicts", [])),
    )
    return judged | {"literature": literature(study.claims, evidence)}


def judge_grids(
    study: AnyStudy, grids: dict[str, learning_rates.Grid], losses: pandas.DataFrame, runs: pandas.DataFrame
) -> dict[str, pandas.DataFrame]:
    """The tables of the grids of learning rates, by name."""
    expected = {name: study.circumstances[members[0]].expected_rates for name, members in study.grids.items()}
    # Where a rate would be tuned before it is moved to other widths. A user's own network has its smallest.
    base_width = study.config["network"].get("base_width", min(study.widths))
    data_losses = data_losses_of(losses, runs, [name for members in study.grids.values() for name in members])
    curves = {name: [data_losses[member] for member in members] for name, members in study.grids.items()}
    return {
        "learning_rates": learning_rates.rates_table(grids),
        "learning_rate_slopes": learning_rates.slopes_table(grids, expected),
        "learning_rate_choices": learning_rates.choices_table(grids),
        "learning_rate_verdicts": learning_rates.verdicts_table(grids, expected, base_width),
        "learning_rate_budgets": learning_rates.budgets_table(grids, curves, study.analysis.end_window),
    }


def data_losses_of(losses: pandas.DataFrame, runs: pandas.DataFrame, circumstances: list[str]) -> dict[str, Curves]:
    """The curves of the data loss in these circumstances, by circumstance."""
    rows, of_runs = (table[table["circumstance"].isin(circumstances)] for table in (losses, runs))
    curves = curves_of_study(rows, None, of_runs)
    return {found.circumstance: found for found in curves if found.measure == "data_loss"}


if __name__ == "__main__":
    main()
