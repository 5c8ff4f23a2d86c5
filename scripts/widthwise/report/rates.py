"""What the answer says of grids of learning rates: one rate for all widths, and each width at its own best."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import pandas

from widthwise.analysis.inference import END
from widthwise.analysis.learning_rates import EQUIVALENCE, ends_no_higher
from widthwise.analysis.verdicts import DESCRIPTIVE_LEVEL, rises_by_chance
from widthwise.report.evidence import Evidence, bound_of_rate, verdict_and_change
from widthwise.report.questions import bare_change, movement
from widthwise.report.wording import (
    change_with_interval,
    counted,
    group_by_words,
    listed,
    markdown_table,
    rate_label,
)


def rates_in_short(evidence: Evidence) -> str:
    """How larger networks end at one rate for all widths and each at its own best, and how that moves with width.

    A paragraph; nothing without grids.
    """
    if not evidence.study.grids:
        return ""
    at_one_rate, own_best = verdicts_of(evidence)
    best = evidence.rows("learning_rate_slopes", quantity="best").to_dict("records")
    rises = at_one_rate[at_one_rate["verdict"] == "rises"].to_dict("records")
    rates = group_by_words(
        (evidence.title(row["grid"]), f"{rate_label(row['learning_rate'])} ({bare_change(row)})") for row in rises
    )
    where = "; ".join(f"{listed(found)} in {grid}" for grid, found in rates.items())
    return f"""
**With one learning rate for all widths, larger networks end with a higher data loss at {len(rises)} of \
{counted(len(at_one_rate), "rate")}{f": {where}" if where else ""}; by chance, about \
{rises_by_chance(len(at_one_rate)):.1f} would rise.** With each width at its own best rate the data loss \
{words_by_grid(evidence, own_best, own_best_in_short)}. The best rate \
{words_by_grid(evidence, best, lambda row: movement_of_rate(row["verdict"]))}.
"""


def verdicts_of(evidence: Evidence, **values: str) -> tuple[pandas.DataFrame, list[dict[str, Any]]]:
    """The verdicts with these values: at one learning rate for all widths, and with each at its own best."""
    rows = evidence.rows("learning_rate_verdicts", **values)
    is_own_best = rows["learning_rate"].isna()
    return rows[~is_own_best], rows[is_own_best].to_dict("records")


def words_by_grid(evidence: Evidence, rows: Iterable[Mapping], words: Callable[[Mapping], str]) -> str:
    """What the rows of grids say, each statement once, with its grids."""
    found = group_by_words((words(row), evidence.title(row["grid"])) for row in rows)
    return "; ".join(f"{text} in {listed(grids)}" for text, grids in found.items())


def own_best_in_short(row: Mapping) -> str:
    """How the data loss ends in larger networks where each width has its own best rate."""
    if ends_no_higher(row["verdict"], row["ci_low"], row["ci_high"]) == "yes":
        return f"ends at most {END.margin} nats higher"
    return movement(row, "ends")


def movement_of_rate(verdict: str) -> str:
    """How a rate moves with width."""
    return {"undecided": "is undecided", "stays": "stays"}.get(verdict, f"{verdict} with width")


def learning_rates(evidence: Evidence) -> str:
    """How the best learning rate goes with width, and what larger networks do at each; nothing without grids."""
    if not evidence.study.grids:
        return ""
    count = len(verdicts_of(evidence)[0])
    return f"""\
## The learning rate

Slopes are doublings of the rate for each doubling of width, with 95% intervals; ≤ and ≥ mark the grid's edge. A slope \
that was expected to stay is compared with ±{EQUIVALENCE}. The verdicts say how the data loss ends as networks grow \
(descriptive, at {DESCRIPTIVE_LEVEL:.0%}: by chance, about {rises_by_chance(count):.1f} of {count} would rise). Each \
width's best rate is chosen on the other seeds.

{markdown_table(grid_row(evidence, grid) for grid in evidence.study.grids)}"""


def grid_row(evidence: Evidence, grid: str) -> dict[str, str]:
    """The row of one grid of learning rates."""
    best = evidence.rows("learning_rates", grid=grid).sort_values("width")
    narrowest, widest = (bound_of_rate(best.iloc[end]) for end in (0, -1))
    by_rate, own_best = verdicts_of(evidence, grid=grid)
    low = by_rate["at_or_below_best"].astype(bool)
    base = by_rate["base_width"].iloc[0]
    return {
        "grid": evidence.title(grid),
        "best rate, narrowest → widest": f"{narrowest} → {widest}",
        "its slope": slope_words(evidence, grid, "best"),
        "slope of the highest stable rate": slope_words(evidence, grid, "highest_stable"),
        "up to the base width's best rate": f"width {base}: {verdicts_by_rate(by_rate[low])}",
        "above it": verdicts_by_rate(by_rate[~low]),
        "each width at its best": "".join(own_best_words(row) for row in own_best),
    }


def own_best_words(row: Mapping[str, Any]) -> str:
    """How the data loss ends where each width has its own best rate."""
    if ends_no_higher(row["verdict"], row["ci_low"], row["ci_high"]) != "yes":
        return verdict_and_change(row)
    return f"{verdict_and_change(row)}; at most {END.margin} higher"


def slope_words(evidence: Evidence, grid: str, quantity: str) -> str:
    """How a rate of a grid goes with width, in words."""
    row = evidence.rows("learning_rate_slopes", grid=grid, quantity=quantity).iloc[0]
    parts = [row["verdict"]]
    if not pandas.isna(row["slope"]):
        parts.append(change_with_interval(row["slope"], row["ci_low"], row["ci_high"], digits=2))
    if row["censored"]:
        parts.append(f"({counted(row['censored'], 'width')} not inside the grid)")
    return " ".join(parts)


def verdicts_by_rate(rows: pandas.DataFrame) -> str:
    """The verdicts of some rates of a grid, neighbours with the same verdict together."""
    parts = []
    for verdict, group in itertools.groupby(rows.sort_values("learning_rate").itertuples(), attrgetter("verdict")):
        parts.append(f"{verdict} at {', '.join(rate_label(row.learning_rate) for row in group)}")
    return "; ".join(parts) or "no rate"
