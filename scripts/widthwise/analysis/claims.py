"""The study's numbers beside what others have published or derived: a row a claim, as far as the study can speak of it.

A claim says which verdict would agree with it, by this study's margins; what the study leaves undecided is no
disagreement. It knows the catalogue's circumstances by name, since each was taken from a source. It must not know
files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields

import numpy
import pandas

from widthwise.analysis.inference import Interval, mean_interval, slopes
from widthwise.analysis.learning_rates import agreement
from widthwise.analysis.verdicts import LOSS_MARGIN
from widthwise.report.evidence import interval, number, only

MOST_STANDARD_ERRORS = 4
ROUNDING = 1e-9  # of the objective
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
    claims = [*of_penalties(sums_of_squares), *of_the_gap(losses, l2)]
    if rate_slopes is not None and rate_verdicts is not None:
        claims += [*of_best_rates(rate_slopes), *of_wider_is_better(rate_verdicts)]
    if coordinates is not None:
        claims += of_coordinates(coordinates)
    claims += [*of_the_sign(verdicts), *of_depth(verdicts, contrasts), *of_precision(verdicts, contrasts)]
    return pandas.DataFrame([astuple(claim) for claim in claims], columns=[field.name for field in fields(Claim)])


def of_penalties(sums: pandas.DataFrame) -> Iterator[Claim]:
    """What kernels start with, against the variance that they are drawn with: layer by layer, and in total."""
    squares = sums.assign(difference=sums["mean"] - sums["expected"], variance=sums["standard_error"] ** 2)
    networks = squares.groupby(["circumstance", "size"])[["difference", "variance", "expected"]].sum()
    for claim, table, counted in (
        ("each layer's penalty at the start", squares, "layers"),
        ("the whole penalty at the start", networks, "networks"),
    ):
        z = (table["difference"] / table["variance"] ** 0.5).abs().max()
        share = (table["difference"] / table["expected"]).abs().max()
        yield Claim(
            claim,
            "Glorot & Bengio 2010, eq. 16; He et al. 2015, eq. 10",
            "lambda x entries x variance",
            f"that, within {z:.1f} standard errors and {share:.1%}, for {len(table)} {counted}",
            "yes" if z < MOST_STANDARD_ERRORS else "no",
            "`tables/sums_of_squares.csv`",
        )


def of_the_gap(losses: pandas.DataFrame, l2: Mapping[str, float]) -> Iterator[Claim]:
    """The reported loss less the data loss, against lambda times the sum of squares, where there is a penalty."""
    rows = losses.assign(penalty=losses["circumstance"].map(l2) * losses["sum_of_squares"]).query("penalty > 0")
    if rows.empty:
        return
    gap = rows["objective"] - rows["data_loss"]
    difference = ((gap - rows["penalty"]).abs() / rows["objective"]).max()
    yield Claim(
        "reported loss less data loss",
        "Keras issue 6518",
        "lambda x sum of squares",
        f"that (an identity), within {difference:.0e} of the loss, "
        f"at {len(rows)} measurements of up to {gap.max():.3f}",
        "yes" if difference < ROUNDING else "no",
        "`tables/losses.csv`",
    )


def of_best_rates(rate_slopes: pandas.DataFrame) -> Iterator[Claim]:
    """How the best learning rate moves with width, under both parametrisations."""
    for grid, claim, theirs, expected in (
        ("learning_rates", "best learning rate, standard", "falls; as 1 / width for large ones", "falls"),
        ("learning_rates_mup", "best learning rate, mup", "stays", "stays"),
        ("learning_rates - learning_rates_mup", "the two's difference", "below 0", "falls"),
    ):
        row = only(rate_slopes, grid=grid)
        if row is None:
            continue
        slope = interval(row["slope"], row["ci_low"], row["ci_high"], 2)
        yield Claim(
            claim,
            YANG,
            theirs,
            f"no slope: {row['censored']} optima lie at the grid's edge"
            if row["censored"]
            else f"{slope} doublings per doubling of width",
            agreement(Interval(row["slope"], row["ci_low"], row["ci_high"]), expected),
            "figure `learning_rates`",
        )


def of_wider_is_better(verdicts: pandas.DataFrame) -> Iterator[Claim]:
    """Under maximal update, at every rate up to the base width's best, wider ends lower."""
    rates = verdicts[(verdicts["grid"] == "learning_rates_mup") & verdicts["at_or_below_best"]]
    if rates.empty:
        return
    counts = rates["verdict"].value_counts()
    yield Claim(
        f"data loss' end by width under mup, up to width {rates['base_width'].iloc[0]}'s best rate",
        YANG,
        "falls at every rate",
        ", ".join(f"{verdict} at {count}" for verdict, count in counts.items()) + f" of {len(rates)} rates",
        together(judged(verdict, "falls") for verdict in counts.index),
        "`tables/learning_rate_verdicts.csv`",
    )


def of_coordinates(coordinates: pandas.DataFrame) -> Iterator[Claim]:
    """How the change of layers' outputs in the first steps grows with width: a power of it, by seed."""
    last = coordinates[coordinates["step"] == coordinates["step"].max()]
    change = numpy.log2(last["rms_change"])
    of_seeds = change.groupby([last[key] for key in ("circumstance", "layer", "seed", "width")]).mean().unstack()
    powers = pandas.Series(slopes(of_seeds.to_numpy(), of_seeds.columns.to_numpy()), of_seeds.index)
    for name, parametrisation, theirs, expected in (
        ("high_learning_rate", "standard", "grows with width", "rises"),
        ("high_learning_rate_mup", "mup", "level", "stays"),
    ):
        if name not in powers.index:
            continue
        by_layer = powers[name].unstack("seed")
        for layers, of_layers in (
            ("logits", by_layer.loc[["head"]]),
            ("convolutions", by_layer.drop(index="head")),
        ):
            power, means = mean_interval(of_layers.mean().to_numpy()), of_layers.mean(axis="columns")
            between = (
                f", layers from {number(means.min(), 2)} to {number(means.max(), 2)}"
                if len(means) > 1 and numpy.isfinite(power.estimate)
                else ""
            )
            yield Claim(
                f"first steps' change of {layers}, {parametrisation}",
                f"{YANG}, coordinate check",
                theirs,
                f"as width to the power of {interval(power.estimate, power.low, power.high, 2)}{between}; "
                f"{of_layers.shape[1]} seeds",
                agreement(power, expected),
                "figure `coordinate_check`",
            )


def of_the_sign(verdicts: pandas.DataFrame) -> Iterator[Claim]:
    """The same networks at a low rate and at a high one."""
    low, high = (
        only(verdicts, circumstance=name, measure="data_loss", feature="end_value")
        for name in ("zero_head", "high_learning_rate")
    )
    if low is None or high is None:
        return
    yield Claim(
        "data loss' end by width, at a low rate and at a high one",
        f"{YANG}, Figure 1",
        "falls at the low, rises at the high",
        f"{in_words(low)} in `zero_head`, {in_words(high)} in `high_learning_rate`",
        together([judged(low["verdict"], "falls"), judged(high["verdict"], "rises")]),
        "figure `features`",
    )


def of_depth(verdicts: pandas.DataFrame, contrasts: pandas.DataFrame) -> Iterator[Claim]:
    """Degradation with plain depth, and its repair."""
    source = "He et al. 2015, Deep Residual Learning"
    plain = only(verdicts, circumstance="deep_plain", measure="data_loss", feature="end_value")
    if plain is not None:
        yield Claim(
            "data loss' end by plain depth",
            source,
            "rises",
            in_words(plain),
            judged(plain["verdict"], "rises"),
            "figure `depth`",
        )
    repair = only(contrasts, circumstance="deep_residual", measure="data_loss", feature="end_value")
    if repair is not None:
        yield Claim(
            "the same with shortcuts, less that",
            source,
            "falls",
            contrast_in_words(repair),
            judged(repair["verdict"], "falls"),
            "figure `depth`",
        )


def of_precision(verdicts: pandas.DataFrame, contrasts: pandas.DataFrame) -> Iterator[Claim]:
    """Whether bfloat16 trains to the same loss, and how many verdicts are the same."""
    row = only(contrasts, circumstance="reduced_precision", measure="data_loss", feature="end_value")
    if row is None:
        return
    float32, bfloat16 = (
        verdicts[verdicts["circumstance"] == name].set_index(["measure", "feature"])["verdict"]
        for name in (row["reference"], "reduced_precision")
    )
    same = int((float32 == bfloat16).sum())
    as_low = row["ci_low"] > -LOSS_MARGIN and row["ci_high"] < LOSS_MARGIN  # not only as steep
    at_largest = f"{interval(row['difference_at_largest'], row['ci_low'], row['ci_high'])} at the largest"
    yield Claim(
        "data loss' end in bfloat16, less float32's",
        "Kalamkar et al. 2019, A Study of BFLOAT16",
        "alike at every width",
        f"{contrast_in_words(row)}, {at_largest}; {same} of {len(float32)} verdicts are the same",
        together([judged(row["verdict"], "flat"), "yes" if as_low else "undecided"]),
        "`tables/contrasts.csv`",
    )


def in_words(verdict: pandas.Series) -> str:
    """A verdict with its slope."""
    slope = verdict["slope_per_doubling"]
    return verdict["verdict"] + (f" ({number(slope)})" if numpy.isfinite(slope) else "")


def contrast_in_words(contrast: pandas.Series) -> str:
    """A contrast's verdict with its slope and interval."""
    slope = interval(contrast["slope_difference"], contrast["slope_ci_low"], contrast["slope_ci_high"])
    return f"{contrast['verdict']} ({slope} nats per doubling of parameters)"


def judged(found: str, wanted: str) -> str:
    """Whether a verdict is the one that the source has; a divergence says nothing of a slope."""
    if found in ("undecided", "diverged"):
        return "undecided"
    return "yes" if found == wanted else "no"


def together(agreements: Iterator[str] | list[str]) -> str:
    """Whether all of them hold, or one does not."""
    found = set(agreements)
    return "no" if "no" in found else "undecided" if "undecided" in found else "yes"
