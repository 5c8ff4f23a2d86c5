"""Claims beside the literature: each agrees, disagrees or stays open as the tables say."""

import numpy
import pandas
import pytest

from widthwise.literature import literature

SUMS = pandas.DataFrame(
    [
        ["as_posted", "width2", "stage1_convolution1", 10.0, 10.2, 2.0],
        ["as_posted", "width2", "head", 1.0, 0.9, -1.0],
        ["as_posted", "width8", "stage1_convolution1", 40.0, 40.3, 3.0],
    ],
    columns=["circumstance", "size", "layer", "expected", "mean", "z"],
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
    contrasts = pandas.DataFrame(
        [["deep_residual", "data_loss", "end_value", *contrast]] if contrast else [],
        columns=["circumstance", "measure", "feature", "verdict", "slope_difference", "slope_ci_low", "slope_ci_high"],
    )
    table = literature(
        verdicts=verdicts, contrasts=contrasts, losses=losses, sums_of_squares=sums, l2=L2, **tables
    )  # fmt: skip
    assert (table != "").all(axis=None)
    return table.set_index("claim")


def test_penalties_at_the_start_against_their_formula():
    found = claims()
    assert found.loc["each layer's penalty at the start", "ours"] == "within 3.0, over 3 layers"
    # Width 2: 0.2 - 0.1 over the root of 0.1^2 + 0.1^2; width 8: 3.0, 0.75% of 40.
    assert found.loc["the whole penalty at the start", "ours"] == "within 3.0, and 0.91%, over 2 networks"
    assert (found["agrees"] == "yes").all()
    assert (claims(sums=SUMS.assign(z=[2.0, -4.5, 3.0]))["agrees"] == ["no", "yes", "yes"]).all()


def test_the_gap_is_the_penalty_and_nothing_else():
    gap = claims().loc["reported loss less data loss"]
    assert (gap["agrees"], gap["ours"].split(", ")[-1]) == ("yes", "at 3 measurements of up to 0.200")
    assert claims(losses=LOSSES.assign(objective=0.9)).loc["reported loss less data loss", "agrees"] == "no"


@pytest.mark.parametrize(
    ("low", "high", "agrees"),
    [("falls", "rises", "yes"), ("falls", "undecided", "undecided"), ("falls", "falls", "no"), ("flat", "rises", "no")],
)
def test_the_sign_flips_between_a_low_and_a_high_rate(low, high, agrees):
    found = claims([end_value("zero_head", low, -0.2), end_value("high_learning_rate", high)])
    row = found.loc["what width does to the end, at a low rate and at a high one"]
    assert (row["agrees"], row["ours"]) == (agrees, f"{low} (−0.200) at 1e-5, {high} (+0.100) at 1e-2")


def test_depth_degrades_and_shortcuts_repair():
    found = claims([end_value("deep_plain", "rises")], contrast=["undecided", -0.1, -0.3, 0.1])
    assert found.loc["the data loss' end as plain depth grows", "agrees"] == "yes"
    assert found.loc["shortcuts less plain, as depth grows", "agrees"] == "undecided"


def slopes(*rows):
    return pandas.DataFrame(rows, columns=["grid", "slope", "ci_low", "ci_high", "censored"])


def rates(*verdicts):
    rows = [["learning_rates_mup", verdict, below] for verdict, below in verdicts]
    return pandas.DataFrame(rows, columns=["grid", "verdict", "at_or_below_best"])


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
    assert (difference["agrees"], difference["ours"]) == ("undecided", "none: 2 optima lie at the grid's edge")
    wider = found.loc["wider is better under mup, up to the base's best rate"]
    assert (wider["agrees"], wider["ours"]) == ("yes", "falls at 2 of 2 rates")


@pytest.mark.parametrize(("other", "agrees"), [("undecided", "undecided"), ("rises", "no"), ("falls", "yes")])
def test_wider_is_better_is_asked_of_the_rates_up_to_the_best_alone(other, agrees):
    tables = {"rate_slopes": slopes(), "rate_verdicts": rates(("falls", True), (other, True), ("rises", False))}
    assert claims(**tables).loc["wider is better under mup, up to the base's best rate", "agrees"] == agrees


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
        assert found.loc[f"first steps' change of {layers}, standard", "ours"].startswith("width to the power of +0.5")
    assert (found.filter(like="first steps", axis="index")["agrees"] == "yes").all()
    exploded = claims(coordinates=coordinates.assign(rms_change=numpy.nan))
    assert (exploded.filter(like="first steps", axis="index")["agrees"] == "undecided").all()


def test_precision_is_compared_feature_by_feature():
    same = [end_value("as_posted", "falls"), end_value("reduced_precision", "falls")]
    assert claims(same).loc["verdicts in bfloat16 on float32 weights", "ours"] == "the same for 1 of 1 features"
    other = [end_value("as_posted", "falls"), end_value("reduced_precision", "flat")]
    assert claims(other).loc["verdicts in bfloat16 on float32 weights", "agrees"] == "no"
