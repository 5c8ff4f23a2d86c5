"""The evidence repeats the tables and claims no more than they hold."""

from dataclasses import asdict

import numpy
import pytest
from example_study import DEFAULTS, SIZES, example_evidence, example_study, with_values
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from widthwise.analysis.inference import END as INFERENCE_END
from widthwise.analysis.inference import Response, judge
from widthwise.analysis.tables import make_table
from widthwise.report.evidence import change_words, mean_words, verdict_and_change, verdict_words, write_evidence
from widthwise.report.wording import measured

NO_PENALTY = ["baseline", "no_l2", "l2_in_optimiser"]
END = ("data_loss", "end_value")
NOT_ONE_WAY = "undecided (the sizes do not go one way)"


def test_circumstances_with_the_same_losses_are_told_once():
    study = example_study(study=NO_PENALTY)
    same = {END: -0.3}
    evidence = example_evidence(study, {"no_l2": same, "l2_in_optimiser": same})
    assert evidence.distinct == [["baseline"], ["no_l2", "l2_in_optimiser"]]
    almost = example_evidence(study, {"no_l2": same, "l2_in_optimiser": {END: -0.3004}})
    assert almost.distinct == evidence.distinct
    other = example_evidence(study, {"no_l2": same, "l2_in_optimiser": {END: -0.31}})
    assert [len(group) for group in other.distinct] == [1, 1, 1]


def test_a_plateau_is_only_claimed_for_sizes_that_have_settled():
    evidence = example_evidence(example_study(), {})
    assert evidence.plateau_words("baseline", "data_loss") == "every size settled"
    ends = "measure == 'data_loss' and feature == 'end_value'"
    some = with_values(evidence, "features", f"size != 'width2' and {ends}", plateau="moving")
    assert some.plateau_words("baseline", "data_loss") == "width 2 settled, widths 8 and 26 still moving"
    assert not some.has_settled("baseline", "data_loss")
    assert some.has_settled("baseline", "objective")
    noisy = with_values(some, "features", f"size == 'width8' and {ends}", plateau="unresolved")
    words = "width 2 settled, width 26 still moving, width 8 too noisy to tell"
    assert noisy.plateau_words("baseline", "data_loss") == words
    none = example_evidence(example_study(), {}, settled=False)
    assert none.plateau_words("baseline", "data_loss") == "every size still moving"
    assert list(none.plateaus("baseline", "data_loss")) == list(SIZES)
    lost = with_values(noisy, "features", f"size == 'width26' and {ends}", plateau="diverged", diverged=5)
    assert lost.plateau_words("baseline", "data_loss") == (
        "width 2 settled, width 8 too noisy to tell, width 26 diverged"
    )
    lost = with_values(some, "features", f"size == 'width26' and {ends}", plateau="some diverged", diverged=2)
    assert lost.plateau_words("baseline", "data_loss") == (
        "width 2 settled, width 8 still moving, width 26 diverged in part"
    )
    untold = with_values(evidence, "features", ends, plateau=None)
    assert untold.plateau_words("baseline", "data_loss") == "too few rows to tell a plateau"


def test_predictions_are_those_of_the_catalogue_and_untested_ones_did_not_hold():
    evidence = example_evidence(example_study(), {"no_l2": {END: -0.3}})
    found = {f"{one.subject}, {one.feature}": one for one in evidence.predictions("no_l2")}
    assert found["no L2, data loss, end"].held
    assert found["no L2, data loss, end"].kind == "ends"
    assert not found["no L2, reported loss, initial decay"].held
    contrast = found["no L2 against baseline, data loss, end"]
    assert (contrast.kind, contrast.expected, contrast.found) == ("contrasts", "flat", "falls")
    alone = example_evidence(example_study(study=["no_l2"]), {})
    untested = [prediction for prediction in alone.predictions("no_l2") if prediction.found is None]
    assert {prediction.kind for prediction in untested} == {"contrasts"}
    assert not any(prediction.held for prediction in untested)


@pytest.mark.parametrize(
    ("ends", "found", "held"),
    [
        ((0.02, 0.04, 0.08), "4.00 [3.85, 4.16]", True),
        ((0.02, 0.04, 0.20), "10.00 [9.61, 10.40]", False),
        ((0.02, 0.04, 0.16), "undecided", False),
    ],
)
def test_a_penalty_is_predicted_by_bounds_of_its_ratio(ends, found, held):
    circumstances = {
        "baseline": DEFAULTS["circumstances"]["baseline"] | {"expectation": {"penalty_ratio": [3, 8]}},
        "sgd": DEFAULTS["circumstances"]["sgd"] | {"expectation": {"contrast": {"penalty_ratio": [1.5, 3]}}},
    }
    study = example_study(study=["baseline", "sgd"], circumstances=DEFAULTS["circumstances"] | circumstances)
    evidence = example_evidence(study, {}, penalties={"baseline": ends, "sgd": tuple(2 * end for end in ends)})
    (by_size,) = evidence.predictions("baseline")
    expected = ("ends", "baseline", "penalty, end, largest over smallest", "3 to 8", found, held)
    assert (by_size.kind, by_size.subject, by_size.feature, by_size.expected, by_size.found, by_size.held) == expected
    (contrast,) = evidence.predictions("sgd")
    assert (contrast.kind, contrast.subject, contrast.feature) == ("contrasts", "SGD over baseline", "penalty, end")
    assert contrast.held
    assert evidence.tested_predictions() == [by_size, contrast]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "falls"),
        ({"slight": True}, "slightly falls"),
        ({"diverged": 2}, "falls by at least"),
        ({"verdict": "undecided", "ci_high": 0.1}, "undecided (about 12 seeds would halve the interval)"),
        ({"verdict": "undecided", "ci_low": float("-inf"), "ci_high": float("inf")}, "undecided"),
        ({"verdict": "undecided"}, NOT_ONE_WAY),
        ({"verdict": "undecided", "ci_low": float("-inf")}, NOT_ONE_WAY),
    ],
)
def test_a_verdict_in_words(values, words):
    evidence = example_evidence(example_study(), {"baseline": {END: -0.3}})
    where = "circumstance == 'baseline' and measure == 'data_loss' and feature == 'end_value'"
    row = with_values(evidence, "verdicts", where, **values).verdict("baseline", *END)
    assert verdict_words(row) == words
    assert change_words(row).startswith("−0.300 [")
    assert verdict_and_change(row).startswith("undecided −0.300" if words.startswith("undecided (about") else words)


@settings(max_examples=50, deadline=None)
@given(values=hnp.arrays(float, (3, 4), elements=st.floats(-1, 1)))
def test_a_size_is_said_to_go_against_the_trend_only_where_one_does(values):
    outcome = judge(Response(values, numpy.zeros((3, 4), bool), numpy.array([1, 2, 4, 8]), INFERENCE_END), 0.05)
    row = asdict(outcome) | {"measure": "data_loss", "feature": "end_value"}
    if verdict_words(row) == NOT_ONE_WAY:
        way, means = numpy.sign(outcome.change), values.mean(axis=0)
        assert (way * numpy.diff(means)).min() < 0
    elif outcome.verdict == "undecided":
        assert not outcome.ci_low > 0
        assert not outcome.ci_high < 0


def test_more_initial_networks_and_not_seeds_narrow_the_interval_of_a_start():
    start = ("data_loss", "starting_loss")
    undecided = example_evidence(example_study(), {}, verdicts={("baseline", *start): "undecided"})
    assert "initial networks would halve the interval" in verdict_words(undecided.verdict("baseline", *start))


def test_a_size_whose_runs_diverged_has_no_mean():
    row = {"mean": float("nan"), "diverged": 5, "seeds": 5, "at_horizon": 0}
    assert mean_words(row) == "diverged"
    assert mean_words(row | {"diverged": 2}) == "2 of 5 diverged"
    assert mean_words(row | {"diverged": 0, "mean": 8.17, "at_horizon": 1}) == "≥ 8.170"


def test_an_interval_without_a_bound_is_not_in_the_table_of_features():
    evidence = example_evidence(example_study(), {})
    where = "feature == 'end_value' and measure == 'data_loss' and size == 'width8'"
    one_seed = with_values(evidence, "features", where, ci_low=float("-inf"), ci_high=float("inf"))
    assert "| loss, feature | width 2 (15.7 k) | width 8 (248 k) | width 26 (2.61 M) |" in write_evidence(evidence)
    row = "| data loss, end | 0.700 [0.690, 0.710] | 0.700{} | 0.700 [0.690, 0.710] |"
    assert row.format("") in write_evidence(one_seed)
    assert row.format(" [0.690, 0.710]") in write_evidence(evidence)


def test_the_page_holds_every_verdict_and_every_table_that_there_is():
    study = example_study(study=["baseline", "no_l2", "learning_rates"])
    rates = make_table(
        "learning_rates",
        [
            {"grid": "learning_rates", "width": 2, "parameters": 15_708, "log2_rate": -8, "ci_low": -9, "ci_high": -7}
            | {"lowest_loss": 0.2, "optimum": "inside", "log2_highest_stable": -6, "all_stable": False, "diverged": 3},
            {"grid": "learning_rates", "width": 8, "parameters": 248_154, "log2_rate": -12}
            | {"optimum": "lower edge", "log2_highest_stable": -5, "all_stable": True, "diverged": 0},
        ],
    )
    by_rate = make_table(
        "learning_rate_verdicts",
        [
            {"grid": "learning_rates", "learning_rate": rate, "verdict": "falls", "change": -0.1, "ci_low": -0.2}
            | {"ci_high": -0.05, "at_or_below_best": True, "base_width": 8, "seeds": 5, "diverged": 1, "at_edge": 0}
            for rate in (4e-5, None)
        ],
    )
    choices = make_table(
        "learning_rate_choices",
        [
            {"grid": "learning_rates", "width": 2, "parameters": 15_708, "seed": seed, "learning_rate": 4e-5}
            | {"at_edge": seed > 0, "end_value": 0.2, "diverged": False}
            for seed in range(3)
        ],
    )
    powers = make_table(
        "coordinate_powers",
        [
            {
                "circumstance": "high_learning_rate_mup",
                "layer": layer,
                "step": step,
                "power": 0.5,
                "ci_low": 0.4,
                "ci_high": 0.6,
                "seeds": 5,
            }
            for layer in ("b1_c2", "logits")
            for step in (1, 2)
        ],
    )
    evidence = example_evidence(
        study,
        {},
        learning_rates=rates,
        learning_rate_choices=choices,
        learning_rate_verdicts=by_rate,
        coordinate_powers=powers,
    )
    page = write_evidence(evidence)
    for name in study.judged:
        circumstance = study.circumstances[name]
        title = circumstance.title[0].upper() + circumstance.title[1:]
        assert f"## {title} (`{name}`)\n\nHypothesis: {circumstance.hypothesis.strip()}\n\n|" in page
    for measure, feature in evidence.tables["verdicts"][["measure", "feature"]].itertuples(index=False):
        assert page.count(f"| {measured(measure, feature)} |") >= 2
    assert "| rates with BatchNorm | 2 | 3.9e-3 [2e-3, 7.8e-3] | 0.200 | 1.6e-2 | 3 |" in page
    assert "| rates with BatchNorm | 8 | ≤ 2.4e-4 (lower edge) | – | ≥ 3.1e-2 | 0 |" in page
    by_rate = "falls by at least | −0.100 [−0.200, −0.050] | 1 | 5 |"
    assert f"| rates with BatchNorm | each width's best | {by_rate}" in page
    assert "of which 2 of 3 lie at the grid's edge" in page
    for layer in ("b1, c2", "logits"):
        power = "+0.50 [+0.40, +0.60]"
        assert f"| BatchNorm at 1e-2 under mup | {layer} | {power} | {power} |" in page
    assert "a layer's output changes [95%], at a learning rate of 1e-4:\n\n" in page
    contrasts = page.split("## Contrasts\n\n")[1].split("\n\n## ")[0].splitlines()
    assert contrasts[0].startswith("| circumstance | against | loss, feature | verdict | change [interval] |")
    assert all(row.startswith("| no L2 | baseline | ") for row in contrasts[2:])
    assert len(contrasts) == 2 + len(evidence.tables["contrasts"])
    assert "- data loss: rises at steps 0 to 1, flat at step 8, falls at step 16" in page
    alone = write_evidence(example_evidence(example_study(study=["no_l2"]), {}))
    for title in ("## Contrasts", "## Penalties", "## Learning rates", "## Coordinate check", "## Literature"):
        assert title not in alone


@pytest.mark.parametrize(
    ("verdict", "words"), [("rises", "yes"), ("falls", "no"), ("undecided", "undecided"), ("diverged", "diverged")]
)
def test_what_was_expected_is_not_denied_where_nothing_was_found(verdict, words):
    evidence = example_evidence(example_study(), {}, verdicts={("baseline", "objective", "starting_loss"): verdict})
    rows = write_evidence(evidence).splitlines()
    assert next(row for row in rows if row.startswith("| reported loss, start |")).endswith(f"| rises: {words} |")


def test_a_pair_that_does_not_cross_has_no_step():
    page = write_evidence(example_evidence(example_study(), {}))
    assert "| reported loss | 2.61 M | 15.7 k | 0 of 5 seeds | 0 of 5 seeds | – |" in page
    late = with_values(
        example_evidence(example_study(), {}, crossed=5), "crossings", "seeds > 0", median_crossing=1968.0
    )
    row = "| reported loss | 2.61 M | 15.7 k | 5 of 5 seeds | 0 of 5 seeds | 1,968 |"
    assert row in write_evidence(late)


def test_of_many_stretches_the_first_and_the_last_are_told():
    steps = [
        {"circumstance": "baseline", "measure": "objective", "step": step, "seeds": 5}
        | {"verdict": "rises" if step % 2 else "flat"}
        for step in range(9)
    ]
    page = write_evidence(example_evidence(example_study(), {}, slopes_by_step=make_table("slopes_by_step", steps)))
    assert (
        "(descriptive, at 5%; all of them are in slopes_by_step.csv):\n\n- reported loss: flat at step 0, rises at "
        "step 1, flat at step 2, 3 more stretches, flat at step 6, rises at step 7, flat at step 8\n" in page
    )


def test_every_penalty_is_there_and_every_ratio_with_what_was_expected_of_it():
    baseline = DEFAULTS["circumstances"]["baseline"] | {"expectation": {"penalty_ratio": [5, 8]}}
    names = ["baseline", "no_l2", "sgd"]
    study = example_study(study=names, circumstances=DEFAULTS["circumstances"] | {"baseline": baseline})
    evidence = example_evidence(study, {}, penalties={"sgd": (0.005, 0.01, 0.03)}, settled=False)
    page = write_evidence(evidence).split("## Penalties\n")[1].split("\n## ")[0]
    assert page.count("| baseline | width") == page.count("| SGD | width") == len(SIZES)
    assert "no L2" not in page
    assert "`" not in page
    assert "| SGD | width 26 | 0.0150 | 0.0300 [0.0282, 0.0319] | 0 of 5 runs |" in page
    assert "| baseline | the smallest size | 4.00 [3.85, 4.16] | 0.27 | 5 | 5 to 8: no |" in page
    assert "| SGD | the smallest size | 6.00 [5.77, 6.24] | 0.35 | 5 |  |" in page
    assert "| SGD | baseline | 0.38 [0.37, 0.38] | – | 5 |  |" in page
    large = with_values(evidence, "penalties", "size == 'width26'", start=9_102_007.0)
    assert "| SGD | width 26 | 9.1e6 | 0.0300 [0.0282, 0.0319] |" in write_evidence(large)
    done = example_evidence(study, {}, settled=True)
    assert "| 5 of 5 runs |" in write_evidence(done)
    one_seed = with_values(done, "penalties", "seeds > 0", ci_low=0.0, ci_high=float("inf"), seeds=1, level=1)
    page = write_evidence(one_seed)
    assert "| baseline | width 26 | 0.0400 | 0.0800 | 1 of 1 run |" in page
