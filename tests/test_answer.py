"""The answer says what the tables say, whichever way they point, and calls open what is open."""

import itertools
import re

import numpy
import pandas
import pytest

from widthwise.answer import write_answer
from widthwise.comparisons import contrasts, crossovers, slopes_by_step, time_lapse
from widthwise.evidence import Evidence
from widthwise.verdicts import feature_means, judge_study

SIZES, SEEDS, STEPS = (10_000, 100_000, 1_000_000), (0, 1, 2, 3, 4), (0, 10, 20, 30)


def evidence(
    *, penalty_slope: float, data_slope: float, noise: float = 0.005, plateau: bool = True, departures=None
) -> Evidence:
    """A study of `as_posted` and `no_l2` in which penalty and data loss move as told with every size."""
    generator = numpy.random.default_rng(0)
    runs, starts, losses = [], [], []
    for seed, (rank, size) in itertools.product(SEEDS, enumerate(SIZES)):
        end = 0.5 + data_slope * rank + noise * generator.standard_normal()
        for name, penalty in (("as_posted", penalty_slope * rank), ("no_l2", 0)):
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
        contrasts=contrasts(runs, starts, {"no_l2": "as_posted"}, {}),
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
        departures=departures or {},
    )


def answers(answer: str, circumstance: str) -> list[str]:
    """What is said to each of the five questions on one side of the fork, without its grounds."""
    found = re.findall(rf"^- \*If .*\* \(`{circumstance}`\): (.*)$", answer, re.MULTILINE)
    assert len(found) == 5
    return found


def test_a_penalty_that_hides_a_better_fit():
    answer = write_answer(evidence(penalty_slope=0.3, data_slope=-0.1))
    expected, _, harder, stuck, later = answers(answer, "as_posted")
    assert expected == "yes, a larger network's reported loss starts higher. It also ends higher."
    assert harder == "no, the data loss starts alike at every size."
    assert stuck.startswith("no, its data loss ends lower")
    assert later.startswith("not within these steps. The data losses have settled; the penalty may still shrink")
    assert "of the starting loss's rise from smallest to largest, 100% is penalty" in answer
    # On the other side of the fork the same data loss is all there is.
    expected, _, harder, stuck, later = answers(answer, "no_l2")
    assert expected == "no, the reported loss starts alike at every size. But it ends lower."
    assert later == "they do within these steps, in every seed."
    assert "| `no_l2` | `as_posted` | objective, starting loss | falls | −0.09" in answer
    assert "2 of 2 came out so." in answer
    assert "- Look for: a start" in answer


def test_a_setting_that_is_not_as_posted_is_told_at_once():
    answer = write_answer(
        evidence(penalty_slope=0.1, data_slope=0, departures={"training.learning_rate": [1e-5, 1e-4]})
    )
    opening = answer.split("## The three observations")[0]
    assert "this study changes what was posted: `training.learning_rate` is 0.0001, not 1e-05." in opening
    assert "changes what was posted" not in write_answer(evidence(penalty_slope=0.1, data_slope=0))


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
    assert expected == "no, the reported loss starts alike at every size. It also ends higher."
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
