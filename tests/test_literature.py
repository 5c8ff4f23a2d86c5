"""Claims beside the literature: each agrees, disagrees or stays open as the tables say."""

import numpy
import pandas
import pytest

from widthwise.analysis.claims import literature

SUMS = pandas.DataFrame(
    [
        ["as_posted", "width2", "stage1_convolution1", 10.0, 10.2, 0.1],
        ["as_posted", "width2", "head", 1.0, 0.9, 0.1],
        ["as_posted", "width8", "stage1_convolution1", 40.0, 40.3, 0.1],
    ],
    columns=["circumstance", "size", "layer", "expected", "mean", "standard_error"],
)
LOSSES = pandas.DataFrame(
    [["as_posted", 0.9, 0.7, 2.0], ["as_posted", 0.5, 0.4, 1.0], ["no_l2", 0.6, 0.6, 3.0]],
    columns=["circumstance", "objective", "data_loss", "sum_of_squares"],
)
L2 = {"as_posted": 0.1, "no_l2": 0}


def end_value(circumstance, verdict, slope=0.1):
    return [circumstance, "data_loss", "end_value", verdict, slope]


def claims(verdicts=(), contrast=None, sums=SUMS, losses=LOSSES, **tables):
    """The claims, by name."""
    verdicts = pandas.DataFrame(
        list(verdicts), columns=["circumstance", "measure", "feature", "verdict", "slope_per_doubling"]
    )
    columns = ["circumstance", "reference", "measure", "feature"]
    columns += ["verdict", "slope_difference", "slope_ci_low", "slope_ci_high"]
    columns += ["difference_at_largest", "ci_low", "ci_high"]
    contrasts = pandas.DataFrame([contrast] if contrast else [], columns=columns)
    table = literature(
        verdicts=verdicts, contrasts=contrasts, losses=losses, sums_of_squares=sums, l2=L2, **tables
    )  # fmt: skip
    assert (table != "").all(axis=None)
    return table.set_index("claim")


def test_penalties_at_the_start_against_their_formula():
    found = claims()
    of_layers = "that, within 3.0 standard errors and 10.0%, for 3 layers"
    assert found.loc["each layer's penalty at the start", "ours"] == of_layers
    # Width 2: 0.2 - 0.1 over the root of 0.1^2 + 0.1^2, 0.9% of 11; width 8: 3.0, 0.75% of 40.
    of_networks = "that, within 3.0 standard errors and 0.9%, for 2 networks"
    assert found.loc["the whole penalty at the start", "ours"] == of_networks
    assert (found["agrees"] == "yes").all()
    off = SUMS.assign(standard_error=[0.1, 0.02, 0.1])
    assert list(claims(sums=off)["agrees"]) == ["no", "yes", "yes"]


def test_the_gap_is_the_penalty_and_nothing_else():
    gap = claims().loc["reported loss less data loss"]
    assert (gap["agrees"], gap["ours"].split(", ")[-1]) == ("yes", "at 2 measurements of up to 0.200")
    assert claims(losses=LOSSES.assign(objective=0.95)).loc["reported loss less data loss", "agrees"] == "no"
    huge = LOSSES.assign(data_loss=1.2e9, objective=1.2e9 + 0.1 * LOSSES["sum_of_squares"])
    assert claims(losses=huge).loc["reported loss less data loss", "agrees"] == "yes"
    assert "reported loss less data loss" not in claims(losses=LOSSES.query("circumstance == 'no_l2'")).index


@pytest.mark.parametrize(
    ("low", "high", "agrees"),
    [
        ("falls", "rises", "yes"),
        ("falls", "undecided", "undecided"),
        ("falls", "diverged", "undecided"),
        ("falls", "falls", "no"),
        ("flat", "rises", "no"),
    ],
)
def test_the_sign_flips_between_a_low_and_a_high_rate(low, high, agrees):
    found = claims([end_value("zero_head", low, -0.2), end_value("high_learning_rate", high)])
    row = found.loc["data loss' end by width, at a low rate and at a high one"]
    assert row["agrees"] == agrees
    assert row["ours"] == f"{low} (−0.200) in `zero_head`, {high} (+0.100) in `high_learning_rate`"


def test_depth_degrades_and_shortcuts_repair():
    slope, at_largest = (-0.1, -0.3, 0.1), (-0.2, -0.4, 0.0)
    found = claims(
        [end_value("deep_plain", "rises")],
        contrast=["deep_residual", "deep_plain", "data_loss", "end_value", "undecided", *slope, *at_largest],
    )
    assert found.loc["data loss' end by plain depth", "agrees"] == "yes"
    assert found.loc["the same with shortcuts, less that", "agrees"] == "undecided"


def slopes(*rows):
    return pandas.DataFrame(rows, columns=["grid", "slope", "ci_low", "ci_high", "censored"])


def rates(*verdicts):
    rows = [["learning_rates_mup", verdict, below, 8] for verdict, below in verdicts]
    return pandas.DataFrame(rows, columns=["grid", "verdict", "at_or_below_best", "base_width"])


def test_best_rates_fall_stay_or_are_censored():
    found = claims(
        rate_slopes=slopes(
            ["learning_rates", -0.6, -0.9, -0.3, 0],
            ["learning_rates_mup", 0.1, -0.1, 0.3, 0],
            ["learning_rates - learning_rates_mup", numpy.nan, numpy.nan, numpy.nan, 2],
        ),
        rate_verdicts=rates(("falls", True), ("falls", True), ("rises", False)),
    )
    standard = found.loc["best learning rate, standard"]
    assert (standard["agrees"], standard["ours"][:21]) == ("yes", "−0.60 [−0.90, −0.30] ")
    assert found.loc["best learning rate, mup", "agrees"] == "undecided"
    difference = found.loc["the two's difference"]
    assert (difference["agrees"], difference["ours"]) == ("undecided", "no slope: 2 optima lie at the grid's edge")
    wider = found.loc["data loss' end by width under mup, up to width 8's best rate"]
    assert (wider["agrees"], wider["ours"]) == ("yes", "falls at 2 of 2 rates")


@pytest.mark.parametrize(
    ("other", "agrees"), [("undecided", "undecided"), ("rises", "no"), ("flat", "no"), ("falls", "yes")]
)
def test_wider_is_better_is_asked_of_the_rates_up_to_the_best_alone(other, agrees):
    tables = {"rate_slopes": slopes(), "rate_verdicts": rates(("falls", True), (other, True), ("rises", False))}
    assert claims(**tables).loc["data loss' end by width under mup, up to width 8's best rate", "agrees"] == agrees


def test_coordinates_grow_with_a_power_of_width_or_stay_level():
    rows = [
        [name, layer, 5, seed, width, 0.01 * (1 + seed / 100 * (width == 8)) * width**power]
        for name, power in (("high_learning_rate", 0.5), ("high_learning_rate_mup", 0.0))
        for layer in ("stage1_convolution1", "head")
        for seed in range(3)
        for width in (2, 8, 32)
    ]
    coordinates = pandas.DataFrame(rows, columns=["circumstance", "layer", "step", "seed", "width", "rms_change"])
    found = claims(coordinates=coordinates)
    for layers in ("logits", "convolutions"):
        assert found.loc[f"first steps' change of {layers}, standard", "ours"].startswith(
            "as width to the power of +0.5"
        )
    assert (found.filter(like="first steps", axis="index")["agrees"] == "yes").all()
    assert found.filter(like="first steps", axis="index")["ours"].str.endswith("; 3 seeds").all()
    exploded = claims(coordinates=coordinates.assign(rms_change=numpy.nan))
    assert (exploded.filter(like="first steps", axis="index")["agrees"] == "undecided").all()


@pytest.mark.parametrize(("stay", "agrees"), [(0.1, "yes"), (0.2, "undecided"), (-0.5, "no")])
def test_a_rate_stays_or_does_not_or_is_open(stay, agrees):
    table = slopes(["learning_rates_mup", stay, stay - 0.1, stay + 0.1, 0])
    found = claims(rate_slopes=table, rate_verdicts=rates())
    assert found.loc["best learning rate, mup", "agrees"] == agrees


@pytest.mark.parametrize(("at_largest", "agrees"), [(0.0, "yes"), (0.3, "undecided")])
def test_precision_is_judged_by_its_contrast_and_verdicts_are_counted(at_largest, agrees):
    verdicts = [end_value("as_posted", "falls"), end_value("reduced_precision", "undecided")]
    contrast = ["reduced_precision", "as_posted", "data_loss", "end_value", "flat", 0.0, -0.001, 0.001]
    contrast += [at_largest, at_largest - 0.01, at_largest + 0.01]
    row = claims(verdicts, contrast=contrast).loc["data loss' end in bfloat16, less float32's"]
    assert row["agrees"] == agrees
    assert row["ours"].endswith("at the largest; 0 of 1 verdicts are the same")
