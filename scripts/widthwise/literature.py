"""The study's numbers beside what others have published or derived: a row a claim, as far as the study can speak of it.

A claim says beforehand what would agree with it; what the study leaves undecided is no disagreement. It knows the
catalogue's circumstances by name, since each was taken from a source. It must not know files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields

import numpy
import pandas

from widthwise.evidence import interval, number, only
from widthwise.learning_rates import EQUIVALENCE, movement
from widthwise.trend import Interval, mean_interval, slopes

MOST_STANDARD_ERRORS = 4
ROUNDING = 1e-9  # nats
YANG = "Yang et al. 2022, Tensor Programs V"


@dataclass(frozen=True)
class Claim:
    """One row: `agrees` is yes, no or undecided; `shown_by` names the table or figure."""

    claim: str
    source: str
    theirs: str
    ours: str
    agrees: str
    shown_by: str


def literature(
    *,
    verdicts: pandas.DataFrame,
    contrasts: pandas.DataFrame,
    losses: pandas.DataFrame,
    sums_of_squares: pandas.DataFrame,
    l2: Mapping[str, float],
    rate_slopes: pandas.DataFrame | None = None,
    rate_verdicts: pandas.DataFrame | None = None,
    coordinates: pandas.DataFrame | None = None,
) -> pandas.DataFrame:
    """All claims that the study's tables can speak of. `l2` gives the lambda in each circumstance's objective."""
    claims = [*of_penalties(sums_of_squares), of_the_gap(losses, l2)]
    if rate_slopes is not None and rate_verdicts is not None:
        claims += [*of_best_rates(rate_slopes), *of_wider_is_better(rate_verdicts)]
    if coordinates is not None:
        claims += of_coordinates(coordinates)
    claims += [*of_the_sign(verdicts), *of_depth(verdicts, contrasts), *of_precision(verdicts)]
    return pandas.DataFrame([astuple(claim) for claim in claims], columns=[field.name for field in fields(Claim)])


def of_penalties(sums: pandas.DataFrame) -> Iterator[Claim]:
    """What kernels start with, against the variance of their initialisation: layer by layer, and in total."""
    source = "Glorot & Bengio 2010, eq. 16; He et al. 2015, eq. 10; entries x variance"
    largest = sums["z"].abs().max()
    yield Claim(
        "each layer's penalty at the start",
        source,
        f"within {MOST_STANDARD_ERRORS} standard errors",
        f"within {largest:.1f}, over {len(sums)} layers",
        yes_or_no(largest < MOST_STANDARD_ERRORS),
        "`tables/sums_of_squares.csv`",
    )
    difference = sums["mean"] - sums["expected"]
    networks = sums.assign(difference=difference, variance=(difference / sums["z"]) ** 2)
    totals = networks.groupby(["circumstance", "size"])[["difference", "variance", "expected"]].sum()
    z = (totals["difference"] / totals["variance"] ** 0.5).abs().max()
    share = (totals["difference"] / totals["expected"]).abs().max()
    yield Claim(
        "the whole penalty at the start",
        source,
        f"within {MOST_STANDARD_ERRORS} standard errors",
        f"within {z:.1f}, and {share:.2%}, over {len(totals)} networks",
        yes_or_no(z < MOST_STANDARD_ERRORS),
        "`tables/sums_of_squares.csv`",
    )


def of_the_gap(losses: pandas.DataFrame, l2: Mapping[str, float]) -> Claim:
    """The reported loss less the data loss, against lambda times the sum of squares."""
    rows = losses[losses["circumstance"].isin(l2)]
    penalty = rows["circumstance"].map(l2) * rows["sum_of_squares"]
    gap = rows["objective"] - rows["data_loss"]
    difference = (gap - penalty).abs().max()
    return Claim(
        "reported loss less data loss",
        "Keras issue 6518 (1.5326 reported, 0.9875 of data loss)",
        "lambda x sum of squares",
        f"that, to within {difference:.0e} nats, at {len(rows)} measurements of up to {gap.max():.3f}",
        yes_or_no(difference < ROUNDING),
        "`tables/losses.csv`",
    )


def of_best_rates(rate_slopes: pandas.DataFrame) -> Iterator[Claim]:
    """How the best learning rate moves with width, under both parametrisations."""
    for grid, claim, theirs, wanted in (
        ("learning_rates", "best learning rate, standard", "falls (by 1 per doubling, for large widths)", "falls"),
        ("learning_rates_mup", "best learning rate, mup", f"stays (0 within {EQUIVALENCE})", "stays"),
        ("learning_rates - learning_rates_mup", "the two's difference", "below 0", "falls"),
    ):
        row = only(rate_slopes, grid=grid)
        if row is None:
            continue
        measured = f"{interval(row['slope'], row['ci_low'], row['ci_high'], 2)} doublings per doubling of width"
        censored = f"none: {row['censored']} optima lie at the grid's edge"
        # A difference is judged by the side of 0 alone; only one parametrisation's slope can "stay".
        sides = movement(Interval(row["slope"], row["ci_low"], row["ci_high"]))
        found = "falls" if wanted == "falls" and row["ci_high"] < 0 else sides
        yield Claim(
            claim,
            YANG,
            theirs,
            censored if row["censored"] else measured,
            judged(found, wanted),
            "figure `learning_rates`",
        )


def of_wider_is_better(verdicts: pandas.DataFrame) -> Iterator[Claim]:
    """Under maximal update, at every rate up to the narrowest width's best, wider ends lower."""
    rates = verdicts[(verdicts["grid"] == "learning_rates_mup") & verdicts["at_or_below_best"]]
    if rates.empty:
        return
    counts = rates["verdict"].value_counts()
    agrees = "no" if {"rises", "mixed"} & set(counts.index) else yes_or_undecided(set(counts.index) == {"falls"})
    yield Claim(
        "wider is better under mup, up to the base's best rate",
        YANG,
        "the data loss' end value falls at each",
        ", ".join(f"{verdict} at {count}" for verdict, count in counts.items()) + f" of {len(rates)} rates",
        agrees,
        "`tables/learning_rate_verdicts.csv`",
    )


def of_coordinates(coordinates: pandas.DataFrame) -> Iterator[Claim]:
    """How the change of layers' outputs in the first steps grows with width: a power of it, by seed."""
    last = coordinates[coordinates["step"] == coordinates["step"].max()]
    for name, claim, theirs in (
        ("high_learning_rate", "standard", "grows"),
        ("high_learning_rate_mup", "mup", f"level (0 within {EQUIVALENCE})"),
    ):
        for layers, rows in (
            ("logits", last[last["layer"] == "head"]),
            ("convolutions", last[last["layer"] != "head"]),
        ):
            of_name = rows[rows["circumstance"] == name]
            if of_name.empty:
                continue
            change = numpy.log2(of_name["rms_change"])
            table = change.groupby([of_name["seed"], of_name["width"]]).mean().unstack()
            power = mean_interval(slopes(table.to_numpy(), table.columns.to_numpy()))
            found = {"rises": "grows"}.get(movement(power), movement(power))
            yield Claim(
                f"first steps' change of {layers}, {claim}",
                f"{YANG}, coordinate check",
                theirs,
                f"width to the power of {interval(power.estimate, power.low, power.high, 2)}",
                judged(found, "grows" if theirs == "grows" else "stays"),
                "figure `coordinate_check`",
            )


def of_the_sign(verdicts: pandas.DataFrame) -> Iterator[Claim]:
    """The same networks at the posted rate and at a thousand times that."""
    low, high = (
        only(verdicts, circumstance=name, measure="data_loss", feature="end_value")
        for name in ("zero_head", "high_learning_rate")
    )
    if low is None or high is None:
        return
    agreements = {judged(low["verdict"], "falls"), judged(high["verdict"], "rises")}
    yield Claim(
        "what width does to the end, at a low rate and at a high one",
        f"{YANG}, Figure 1",
        "falls at the low, rises at the high",
        f"{in_words(low)} at 1e-5, {in_words(high)} at 1e-2",
        "no" if "no" in agreements else yes_or_undecided(agreements == {"yes"}),
        "figure `features`",
    )


def of_depth(verdicts: pandas.DataFrame, contrasts: pandas.DataFrame) -> Iterator[Claim]:
    """Degradation with plain depth, and its repair."""
    source = "He et al. 2015, Deep Residual Learning"
    plain = only(verdicts, circumstance="deep_plain", measure="data_loss", feature="end_value")
    if plain is not None:
        yield Claim(
            "the data loss' end as plain depth grows",
            source,
            "rises",
            in_words(plain),
            judged(plain["verdict"], "rises"),
            "figure `depth`",
        )
    repair = only(contrasts, circumstance="deep_residual", measure="data_loss", feature="end_value")
    if repair is not None:
        slope = interval(repair["slope_difference"], repair["slope_ci_low"], repair["slope_ci_high"])
        yield Claim(
            "shortcuts less plain, as depth grows",
            source,
            "falls",
            f"{repair['verdict']}, {slope} nats per doubling of parameters",
            judged(repair["verdict"], "falls"),
            "figure `depth`",
        )


def of_precision(verdicts: pandas.DataFrame) -> Iterator[Claim]:
    """Whether bfloat16 comes to the same verdicts."""
    float32, bfloat16 = (
        verdicts[verdicts["circumstance"] == name].set_index(["measure", "feature"])["verdict"]
        for name in ("as_posted", "reduced_precision")
    )
    if float32.empty or bfloat16.empty:
        return
    same = int((float32 == bfloat16.reindex(float32.index)).sum())
    yield Claim(
        "verdicts in bfloat16 on float32 weights",
        "Kalamkar et al. 2019, A Study of BFLOAT16",
        "as in float32",
        f"the same for {same} of {len(float32)} features",
        yes_or_no(same == len(float32)),
        "`tables/verdicts.csv`",
    )


def in_words(verdict: pandas.Series) -> str:
    """A verdict with its slope."""
    slope = verdict["slope_per_doubling"]
    return verdict["verdict"] + (f" ({number(slope)})" if numpy.isfinite(slope) else "")


def judged(found: str, wanted: str) -> str:
    """Whether a verdict is the one that the source has."""
    return "yes" if found == wanted else "undecided" if found == "undecided" else "no"


def yes_or_no(holds: bool) -> str:
    """As the column `agrees` has it."""
    return "yes" if holds else "no"


def yes_or_undecided(holds: bool) -> str:
    """The same, where failing to hold contradicts nothing."""
    return "yes" if holds else "undecided"
