"""The answer says what the tables say, whichever way they point, and calls open what is open."""

import itertools
import re
from dataclasses import replace

import numpy
import pandas
import pytest

from widthwise.analysis.comparisons import contrasts, crossovers, slopes_by_step, time_lapse
from widthwise.analysis.verdicts import feature_means, judge_study
from widthwise.report.answer import write_answer
from widthwise.report.evidence import Evidence

CONTRASTS = {"no_l2": {"objective": {"end_value": "falls"}, "data_loss": {"end_value": "falls"}}}
SIZES, SEEDS, STEPS = (10_000, 100_000, 1_000_000), (0, 1, 2, 3, 4), (0, 10, 20, 30)


def evidence(*, penalty_slope: float, data_slope: float, noise: float = 0.005, plateau: bool = True) -> Evidence:
    """A study of `as_posted` and `no_l2` in which penalty and data loss move as told with every size."""
    generator = numpy.random.default_rng(0)
    runs, starts, losses = [], [], []
    for seed, (rank, size) in itertools.product(SEEDS, enumerate(SIZES)):
        end = 0.5 + data_slope * rank + noise * generator.standard_normal()
        for name, penalty in (("as_posted", penalty_slope * rank * (1 + 0.001 * seed)), ("no_l2", 0)):
            who = {"circumstance": name, "size": f"width{rank + 1}", "parameters": size, "seed": seed}
            starts.append(who | {"objective": 0.7 + penalty, "data_loss": 0.7})
            runs.append(
                who
                | {"objective_initial_decay": 0.1, "data_loss_initial_decay": 0.1, "data_loss_steps_to_midway": 10.0}
                | {"objective_end_value": end + penalty, "data_loss_end_value": end}
                | {"plateau": plateau, "diverged": False, "steps": 30, "flops_per_step": size}
            )
            losses += [
                who | {"step": step, "data_loss": value, "objective": value + penalty}
                for step, value in zip(STEPS, numpy.linspace(0.7, end, len(STEPS)), strict=True)
            ]
    runs, starts, losses = map(pandas.DataFrame, (runs, starts, losses))
    expectations = {
        "as_posted": {"objective": {"starting_loss": "rises", "end_value": "rises"}},
        "no_l2": {"data_loss": {"end_value": "falls"}},
    }
    return Evidence(
        verdicts=judge_study(runs, starts, expectations),
        features=feature_means(runs, starts, ["as_posted", "no_l2"]),
        contrasts=contrasts(runs, starts, {"no_l2": "as_posted"}, CONTRASTS),
        crossovers=crossovers(losses, runs),
        runs=runs,
        time_lapse=time_lapse(losses.assign(learning_rate=1e-5)),
        slopes_by_step=slopes_by_step(losses, runs),
        literature=pandas.DataFrame(
            [["the gap", "Keras issue 6518", "the penalty", "that", "yes", "tables/losses.csv"]],
            columns=["claim", "source", "theirs", "ours", "agrees", "shown_by"],
        ),
        learning_rates=[],
        catalogue={
            "as_posted": {"hypothesis": "The penalty.", "source": "-", "look_for": "a start", "change": "the loss"},
            "no_l2": {"hypothesis": "No penalty.", "source": "-"},
        },
        dataset={"class_counts": {"train": [9, 9], "test": [4, 4]}, "cube_side": 25},
        departures={},
    )


def answers(answer: str, circumstance: str) -> list[str]:
    """What is said to each of the five questions on one side of the fork, without its grounds."""
    found = re.findall(rf"^- \*If .*\* \(`{circumstance}`\): (.*)$", answer, re.MULTILINE)
    assert len(found) == 5
    return found


def test_a_penalty_that_hides_a_better_fit():
    answer = write_answer(evidence(penalty_slope=0.3, data_slope=-0.1))
    expected, _, harder, stuck, later = answers(answer, "as_posted")
    assert expected == "yes, a larger network's reported loss starts higher. At the end a larger network's is higher."
    assert harder == "no, the data loss starts alike at every size."
    assert stuck.startswith("no, its data loss ends lower")
    assert later.startswith("not within these steps. The data losses have settled; the penalty may still shrink")
    assert "of the starting loss's rise from smallest to largest, 100% is penalty" in answer
    # On the other side of the fork the same data loss is all there is.
    expected, _, harder, stuck, later = answers(answer, "no_l2")
    assert expected == "no, the reported loss starts alike at every size. At the end a larger network's is lower."
    assert later == "they do within these steps, in every seed."
    assert "| `no_l2` | `as_posted` | objective, starting loss | falls | −0.09" in answer
    assert "2 of 2 came out so." in answer
    of_contrasts = (
        "- Expected before the run of the slope, less its reference's: 1 of 2 came out so. Not: data loss, end value"
    )
    assert of_contrasts + ": expected falls, found flat." in answer
    assert "Hypothesis: The penalty." in answer
    assert "- Look for: a start" in answer


def test_a_setting_that_is_not_as_posted_is_told_at_once():
    base = evidence(penalty_slope=0.1, data_slope=0)
    answer = write_answer(replace(base, departures={"training.learning_rate": [1e-5, 1e-4]}))
    opening = answer.split("## The three observations")[0]
    assert "this study changes what was posted: `training.learning_rate` is 0.0001, not 1e-05." in opening
    assert "changes what was posted" not in write_answer(base)


def test_for_how_long_larger_is_higher():
    answer = write_answer(evidence(penalty_slope=0.1, data_slope=-0.2))
    # The penalty adds 0.1 a size at every step; the data loss takes off 0.2 a size by the last of three steps.
    assert "- `as_posted`: higher at step 10, lower at step 20 to 30" in answer
    assert "- `no_l2`: lower at step 10 to 30" in answer


def test_a_share_of_a_rise_is_told_of_what_rises_alone():
    answer = write_answer(evidence(penalty_slope=0.01, data_slope=0))
    assert "of the starting loss's rise" not in answer


def test_larger_networks_that_truly_end_higher():
    answer = write_answer(evidence(penalty_slope=0, data_slope=0.2))
    expected, _, _, stuck, _ = answers(answer, "as_posted")
    assert expected == "no, the reported loss starts alike at every size. At the end a larger network's is higher."
    assert "If the reported loss holds the penalty" not in answer
    assert stuck == "its data loss ends higher."
    assert "Not: data loss, end value: expected falls, found rises." in answer


def test_larger_networks_that_win():
    answer = write_answer(evidence(penalty_slope=0, data_slope=-0.2))
    assert answers(answer, "as_posted")[-1] == "they do within these steps, in every seed."
    assert "5 of 5 seeds, from step" in answer


def test_what_is_open_is_called_open():
    answer = write_answer(evidence(penalty_slope=0, data_slope=0, noise=0.3))
    assert answers(answer, "as_posted")[0].endswith(" How it ends is undecided.")
    assert "2 circumstances, 3 sizes each from" in answer
    assert answers(answer, "as_posted")[3] == "undecided by this study."


@pytest.mark.parametrize("plateau", [True, False])
def test_what_was_still_falling_is_no_plateau(plateau):
    answer = write_answer(evidence(penalty_slope=0.3, data_slope=-0.1, plateau=plateau))
    assert ("15 of 15 runs ended on a plateau" in answer) == plateau
    assert ("0 of 15 runs ended on a plateau, the rest had not settled; of those, no plateau" in answer) != plateau
    stuck = answers(answer, "as_posted")[3]
    assert stuck.startswith(
        "no, its data loss ends lower" if plateau else "there is no sign of it so far, its data loss"
    )


def test_a_largest_network_that_diverged_is_not_said_to_cross_later():
    base = evidence(penalty_slope=0.3, data_slope=0.1, plateau=False)
    diverged = base.runs["parameters"] == max(SIZES)
    crossings = base.crossovers.assign(crossed=0)
    answer = write_answer(replace(base, runs=base.runs.assign(diverged=diverged), crossovers=crossings))
    assert answers(answer, "as_posted")[-1] == "the largest diverged, in some seed or in all."
    assert "| `as_posted` | rises" in answer
    assert "**all four**" not in answer


def test_learning_rates_and_a_time_lapse_are_told_with_their_intervals():
    slopes = pandas.DataFrame(
        [
            ["learning_rates", -0.2, -0.24, -0.05, 5, 0, "stays", "falls", True],
            ["mup", *[numpy.nan] * 3, 5, 2, "undecided", "stays", False],
        ],
        columns=["grid", "slope", "ci_low", "ci_high", "seeds", "censored", "verdict", "expected", "agrees"],
    )
    rates = pandas.DataFrame(
        [["learning_rates", 1e-3, "falls", True, 8], ["learning_rates", 2e-3, "rises", False, 8]],
        columns=["grid", "learning_rate", "verdict", "at_or_below_best", "base_width"],
    )
    lapse = pandas.DataFrame(
        [
            [10_000, -0.05, -0.06, -0.04, 5, False],
            [100_000, *[numpy.nan] * 3, 5, False],
            [1_000_000, 0.01, 0, 0.02, 5, True],
        ],
        columns=["parameters", "difference", "ci_low", "ci_high", "seeds", "equivalent"],
    )
    base = evidence(penalty_slope=0.1, data_slope=0)
    answer = write_answer(replace(base, learning_rates=[slopes, rates], time_lapse=lapse))
    assert "- `learning_rates`: **stays** (expected falls, which it does), −0.20 [−0.24, −0.05], 5 seeds" in answer
    assert "- `mup`: **undecided** (expected stays), no slope: 2 optima lie at the grid's edge, 5 seeds" in answer
    assert "at and below width 8's best rate: falls at 0.001" in answer
    assert "fails at 2 of 3 sizes" in answer
    assert "- 10 k parameters: −0.050 [−0.060, −0.040]" in answer
    assert "- 100 k parameters: no number, since a value is not finite" in answer
