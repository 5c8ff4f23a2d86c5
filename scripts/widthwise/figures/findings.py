"""What a figure shows, in words, from the verdicts."""

from collections.abc import Sequence

import pandas

from widthwise.analysis.features import ROW_MEASURES
from widthwise.analysis.tables import rows_with
from widthwise.report.evidence import is_true
from widthwise.report.wording import MEASURES, listed, no_rise
from widthwise.study.curves import AnyStudy

START = {
    "rises": "starts higher",
    "falls": "starts lower",
    "flat": "starts level",
    "mixed": "starts higher at some sizes, lower at others",
    "diverged": "diverges at the start",
    "undecided": "undecided start",
}
END = {
    "rises": "ends higher",
    "falls": "ends lower",
    "flat": "ends level",
    "mixed": "ends higher at some sizes, lower at others",
    "diverged": "diverges",
    "undecided": "undecided end",
}
WORDS = {"starting_loss": START, "end_value": END}
MOST_NAMED = 3  # circumstances of a count
ONE_SEED = "One seed: values without intervals."
# Before the change of a verdict that rests on the bounds of diverged runs.
AT_LEAST = {"rises": "≥ ", "falls": "≤ "}


def bounds_note(verdicts: pandas.DataFrame) -> str:
    """Says what the marks of bounds that occur stand for."""
    occurring = set(verdicts.loc[verdicts["diverged"] > 0, "verdict"])
    marks = [mark.strip() for verdict, mark in AT_LEAST.items() if verdict in occurring]
    return f"{' and '.join(marks)}: some runs diverged; the change is at least this large." if marks else ""


def verdict_row(verdicts: pandas.DataFrame, circumstance: str, measure: str, feature: str) -> pandas.Series | None:
    """Returns one row of verdicts.csv, or None if there is no such row."""
    rows = rows_with(verdicts, circumstance=circumstance, measure=measure, feature=feature)
    return None if rows.empty else rows.iloc[0]


def verdict_of(verdicts: pandas.DataFrame, circumstance: str, measure: str, feature: str) -> str | None:
    """Returns a verdict's word, or None if there is none."""
    row = verdict_row(verdicts, circumstance, measure, feature)
    return None if row is None else row["verdict"]


def verdict_words(verdicts: pandas.DataFrame, circumstance: str, measure: str, feature: str) -> str:
    """Says how a loss starts or ends in larger networks: "ends slightly lower", "undecided end".

    Nothing without a verdict.
    """
    row = verdict_row(verdicts, circumstance, measure, feature)
    if row is None:
        return ""
    words = WORDS[feature][row["verdict"]]
    return words.replace(" ", " slightly ", 1) if is_true(row["slight"]) else words


def clause(words: str) -> str:
    """What `verdict_words` says, with a verb, for a sentence."""
    return f"has an {words}" if words.startswith("undecided") else words


def in_brackets(study: AnyStudy, circumstances: Sequence[str]) -> str:
    """Names circumstances if they are few, after their count: " (plain depth, ten times the L2)"."""
    return f" ({', '.join(study.titles(circumstances))})" if 0 < len(circumstances) <= MOST_NAMED else ""


def curve_words(verdicts: pandas.DataFrame, circumstance: str, measure: str) -> list[str]:
    """Says where a circumstance's curves start and end as parameters grow: "starts higher", "ends lower"."""
    return [text for feature in WORDS if (text := verdict_words(verdicts, circumstance, measure, feature))]


def ends_finding(study: AnyStudy, verdicts: pandas.DataFrame, circumstances: Sequence[str]) -> str:
    """Says in which circumstances each loss ends higher in larger networks, or diverges; of one, how it ends.

    Nothing where no end has a verdict.
    """
    ends = verdicts[(verdicts["feature"] == "end_value") & verdicts["circumstance"].isin(circumstances)]
    measures = [measure for measure in ROW_MEASURES if measure in set(ends["measure"])]
    if not measures:
        return ""
    if len(circumstances) == 1:
        words = {measure: verdict_words(ends, circumstances[0], measure, "end_value") for measure in measures}
        return "In larger networks " + listed(
            f"the {MEASURES[measure]} {clause(text)}" for measure, text in words.items()
        )
    higher = []
    for measure in measures:
        rows = rows_with(ends, measure=measure)
        names = list(rows_with(rows, verdict="rises")["circumstance"])
        count = len(names) or no_rise(rows["verdict"])
        higher.append(f"a higher {MEASURES[measure]} in {count}{in_brackets(study, names)}")
    return f"Of {len(circumstances)} circumstances, larger networks end with {listed(higher)}{lost_words(ends)}"


def lost_words(ends: pandas.DataFrame) -> str:
    """Says in how many circumstances all runs of a size diverge, by their rows of ends; nothing if in none."""
    lost = ends.loc[ends["verdict"] == "diverged", "circumstance"].nunique()
    return f"; in {lost} all runs of some size diverge" if lost else ""


def tally(verdicts: pandas.DataFrame, circumstances: Sequence[str], measure: str) -> str:
    """Says in how many circumstances a loss starts higher and ends higher in larger networks."""
    subject = f"In larger networks the {MEASURES[measure]}"
    ours = verdicts[verdicts["circumstance"].isin(circumstances)]
    if ours.empty:
        return f"The {MEASURES[measure]} as networks of every size train"
    if len(circumstances) == 1:
        return f"{subject} {' and '.join(map(clause, curve_words(verdicts, circumstances[0], measure)))}"
    starts, ends = (
        [verdict_of(verdicts, name, measure, feature) for name in circumstances]
        for feature in ("starting_loss", "end_value")
    )
    of_all, lost = f"{len(circumstances)} circumstances", lost_words(ours[ours["feature"] == "end_value"])
    if "rises" not in starts + ends:
        return f"{subject} starts or ends higher in {no_rise(starts + ends, f' of {of_all}')}{lost}"
    starts, ends = (found.count("rises") or no_rise(found) for found in (starts, ends))
    return f"{subject} starts higher in {starts} of {of_all} and ends higher in {ends}{lost}"
