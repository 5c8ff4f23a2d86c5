"""What others have published, beside the study's numbers: one row for each claim that the study can judge.

A claim is an entry of the catalogue. It names a result of the study and the outcome that agrees with it. What the study
leaves undecided is no disagreement. A claim whose circumstances the study lacks is left out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy
import pandas

from widthwise.analysis.comparisons import TIME_LAPSE_MARGIN, power_interval, seed_powers, time_lapse
from widthwise.analysis.inference import Interval
from widthwise.analysis.learning_rates import Grid, agreement, best_rate_slope
from widthwise.analysis.tables import make_table, rows_with
from widthwise.analysis.verdicts import has_starts

LOGITS = "logits"
# The step of the coordinate check at which layers are compared: all layers but a zero head first change at step 2.
LOGITS_STEP = 1


@dataclass(frozen=True)
class Evidence:
    """The study's results that claims are held against; tables that it does not have are empty."""

    verdicts: pandas.DataFrame
    contrasts: pandas.DataFrame
    losses: pandas.DataFrame
    runs: pandas.DataFrame
    coordinates: pandas.DataFrame
    grids: Mapping[str, Grid]
    rate_verdicts: pandas.DataFrame


@dataclass(frozen=True)
class Finding:
    """What the study found: in words, whether it agrees (yes, no, undecided), and the table that shows it."""

    ours: str
    agrees: str
    table: str


def literature(claims: Mapping[str, Mapping[str, Any]], evidence: Evidence) -> pandas.DataFrame:
    """Makes the table of claims. `claims` are the catalogue's, by name."""
    rows = []
    for claim in claims.values():
        kind = next(kind for kind in FINDERS if kind in claim)
        finding = FINDERS[kind](evidence, claim["expected"], **claim[kind])
        if finding is not None:
            shown_by = f"`tables/{finding.table}.csv`"
            rows.append({**claim, "ours": finding.ours, "agrees": finding.agrees, "shown_by": shown_by})
    return make_table("literature", rows)


def of_feature(
    table: str, evidence: Evidence, expected: str, circumstance: str, measure: str, feature: str
) -> Finding | None:
    """How a feature moves with size in a circumstance, or how the circumstance changes that against its reference.

    `table` is "verdicts" or "contrasts".
    """
    found = rows_with(getattr(evidence, table), circumstance=circumstance, measure=measure, feature=feature)
    if found.empty:
        return None
    row = found.iloc[0]
    unit = "doublings of time" if feature == "steps_to_midway" else "nats"
    replicates = "backbones" if has_starts(measure, feature) else "seeds"
    interval = Interval(row["change"], row["ci_low"], row["ci_high"])
    return Finding(
        f"{row['verdict']}: {with_interval(interval)} {unit}, {row['seeds']} {replicates}",
        verdict_agrees(row["verdict"], expected),
        table,
    )


def of_best_rate(evidence: Evidence, expected: str, grid: str, less: str | None = None) -> Finding | None:
    """How the best rate of a grid moves with width, or how much more than that of another grid."""
    names = [grid] if less is None else [grid, less]
    if not all(name in evidence.grids for name in names):
        return None
    slope, *others = (best_rate_slope(evidence.grids[name]) for name in names)
    for other in others:
        slope = slope.less(other)
    ours = (
        f"unknown: {slope.censored} of the best rates do not lie inside the grid"
        if slope.censored
        else f"{with_interval(slope.interval, 2)} doublings per doubling of width, {len(slope.without)} seeds"
    )
    return Finding(ours, agreement(slope.interval, expected), "learning_rate_slopes")


def of_order_at_rates(evidence: Evidence, expected: str, grid: str) -> Finding | None:
    """How the data loss' end moves with width, at every rate up to the base width's best."""
    table = evidence.rate_verdicts
    rates = table[(table["grid"] == grid) & table["at_or_below_best"].fillna(False)]
    if rates.empty:
        return None
    counts = rates["verdict"].value_counts()
    found = ", ".join(f"{verdict} at {count}" for verdict, count in counts.items())
    return Finding(
        f"{found} of {len(rates)} rates up to the best of width {rates['base_width'].iloc[0]}",
        all_agree(verdict_agrees(verdict, expected) for verdict in counts.index),
        "learning_rate_verdicts",
    )


def of_coordinates(evidence: Evidence, expected: str, circumstance: str, layers: str) -> Finding | None:
    """How the change of the logits, or the mean change of the convolutions, grows with width in the first steps."""
    powers = seed_powers(rows_with(evidence.coordinates, circumstance=circumstance))
    step = LOGITS_STEP if layers == LOGITS else max((step for _, _, step in powers), default=None)
    chosen = [
        power for (_, layer, at), power in powers.items() if at == step and (layer == LOGITS) == (layers == LOGITS)
    ]
    if not chosen:
        return None
    of_seeds = numpy.mean(chosen, axis=0)
    power = power_interval(of_seeds)
    return Finding(
        f"as width to the power of {with_interval(power, 2)} at step {step}, {len(of_seeds)} seeds",
        agreement(power, expected),
        "coordinate_powers",
    )


def of_time_lapse(evidence: Evidence, expected: str, fast: str, slow: str) -> Finding | None:
    """Whether the data losses are equal at equal rate x steps, at every size. `expected` is always equal."""
    if not {fast, slow} <= set(evidence.runs["circumstance"]):
        return None
    try:
        sizes = time_lapse(evidence.losses, evidence.runs, fast, slow)
    except ValueError as error:
        return Finding(str(error), "undecided", "runs")
    differences = ", ".join(f"{size.size} {with_interval(size.difference)}" for size in sizes)
    equal = sum(size.agrees == "yes" for size in sizes)
    return Finding(
        f"within {TIME_LAPSE_MARGIN} nats at {equal} of {len(sizes)} sizes: {differences}",
        all_agree(size.agrees for size in sizes),
        "losses",
    )


FINDERS: dict[str, Callable[..., Finding | None]] = {
    "verdict": partial(of_feature, "verdicts"),
    "contrast": partial(of_feature, "contrasts"),
    "best_rate": of_best_rate,
    "order_at_rates": of_order_at_rates,
    "coordinates": of_coordinates,
    "time_lapse": of_time_lapse,
}


def verdict_agrees(found: str, expected: str) -> str:
    """Whether a verdict is the expected one; a divergence says nothing about a direction."""
    if found == expected:
        return "yes"
    return "undecided" if found in ("undecided", "diverged") else "no"


def all_agree(agreements: Iterable[str]) -> str:
    """Whether all of them agree, or one does not."""
    found = set(agreements)
    return "no" if "no" in found else "undecided" if "undecided" in found else "yes"


def with_interval(interval: Interval, digits: int = 3) -> str:
    """Formats an estimate and its interval with true minus signs: +0.031 [+0.020, +0.042]; a dash if it is unknown."""
    if not numpy.isfinite(interval.estimate):
        return "–"
    estimate, low, high = (
        f"{value:+.{digits}f}".replace("-", "−") for value in (interval.estimate, interval.low, interval.high)
    )
    return f"{estimate} [{low}, {high}]".replace("inf", "∞")
