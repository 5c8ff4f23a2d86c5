"""The answer says what the tables say, whichever way they point, and calls open what is open."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pandas
import pytest
from example_study import ROOT, SIZES, example_evidence, example_study, fill, write_results

from widthwise.analysis.tables import make_table
from widthwise.report.answer import write_answer
from widthwise.study.requirements import PUBLISHED_SEEDS, PUBLISHED_SIZES

REPORTED_START, REPORTED_END = ("objective", "starting_loss"), ("objective", "end_value")
DATA_START, DATA_END = ("data_loss", "starting_loss"), ("data_loss", "end_value")
MIDWAY = ("data_loss", "steps_to_midway")
DECAYS = {("objective", "initial_decay"): 0.3, ("data_loss", "initial_decay"): 0.3}
# As the catalogue expects of baseline and no_l2: only the penalty starts higher, and the data loss ends lower.
BETTER = {**DECAYS, DATA_END: -0.4, MIDWAY: -1.0}
AS_EXPECTED = {
    "baseline": {**BETTER, REPORTED_START: 0.1, REPORTED_END: -0.3},
    "no_l2": {**BETTER, REPORTED_END: -0.4},
}
QUESTIONS = 5


def answers(answer: str, name: str) -> list[str]:
    """What is said of one circumstance to each of the five questions."""
    section = answer.split("## The five questions")[1].split("\n## ")[0]
    found = re.findall(rf"^- [^:]*`{name}`[^:]*: (.*)$", section, re.MULTILINE)
    assert len(found) == QUESTIONS
    return found


def section(answer: str, title: str) -> str:
    return answer.split(f"## {title}\n")[1].split("\n## ")[0]


def test_it_opens_with_the_short_answer_in_numbers():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED))
    title, first, *_ = answer.split("\n\n")
    assert title.startswith("# Under which circumstances")
    assert "2 circumstances, a larger network ends with a higher reported loss in none and a higher data" in first
    assert "starts with a higher reported loss in `baseline` (+0.100) and a higher data loss in none" in first
    assert "| `baseline` | reported loss, start | 0.700 | 0.800 | +0.100 [+0.090, +0.110] | rises |" in answer
    assert "| `no_l2` | data loss, end | 0.700 | 0.300 | −0.400 [−0.410, −0.390] | falls |" in answer
    assert "| `no_l2` | reported loss" not in answer
    assert "data loss + penalty in `baseline`; elsewhere it is the data loss" in answer
    assert "30 runs: 3 sizes of 15.7 k to 2.61 M parameters, 5 seeds, 288 steps" in answer


def test_an_answer_on_five_circumstances_is_one_page():
    names = ["baseline", "no_l2", "l2_in_optimiser", "fixed_std_init", "he_init"]
    literature = make_table(
        "literature",
        [dict.fromkeys(("claim", "source", "theirs", "ours", "shown_by"), "x") | {"agrees": "yes"}] * 12,
    )
    changes = {name: {DATA_END: 0.1 * number} for number, name in enumerate(names)}
    evidence = example_evidence(example_study(study=names), changes, settled=False, literature=literature)
    answer = write_answer(evidence)
    assert len(answer.splitlines()) < 120
    assert "| x (x) | x | x | yes |" in answer


def test_the_same_losses_have_one_row_and_one_answer():
    study = example_study(study=["baseline", "no_l2", "l2_in_optimiser"])
    answer = write_answer(example_evidence(study, AS_EXPECTED | {"l2_in_optimiser": AS_EXPECTED["no_l2"]}))
    assert "| `no_l2`, `l2_in_optimiser` | data loss, end |" in answer
    assert "| `l2_in_optimiser` |" not in answer
    assert answers(answer, "no_l2") == answers(answer, "l2_in_optimiser")


def test_a_penalty_that_hides_a_better_fit():
    baseline = AS_EXPECTED["baseline"] | {REPORTED_END: 0.2}
    answer = write_answer(example_evidence(example_study(), {"baseline": baseline, "no_l2": AS_EXPECTED["no_l2"]}))
    expected, longer, harder, stuck, later = answers(answer, "baseline")
    assert expected.startswith(
        "Yes: in larger networks the reported loss starts higher (+0.100) and ends higher (+0.200)"
    )
    assert "The penalty accounts for all of the rise at the start and all of the rise at the end." in expected
    assert longer == "No: the largest takes 0.5 times the steps of the smallest to midway."
    assert harder.startswith("No: in larger networks the data loss starts about the same: 0.700 in the smallest, 0.700")
    assert stuck.startswith("No sign of it: in larger networks the data loss ends lower (−0.400). All 15 runs reached")
    assert later.startswith("Not within 288 steps (all have settled)")
    assert answers(answer, "no_l2")[0].startswith("No: ")


def test_the_share_of_the_penalty_in_a_rise():
    changes = {"baseline": {REPORTED_START: 0.4, DATA_START: 0.1}}
    expected = answers(write_answer(example_evidence(example_study(), changes)), "baseline")[0]
    assert expected.startswith("In part: ")
    assert "The penalty accounts for 75% of the rise at the start." in expected


def test_the_posts_own_measure_is_told_where_it_differs():
    changes = {"baseline": {("printed", "end_value"): 0.3}}
    expected = answers(write_answer(example_evidence(example_study(), changes)), "baseline")[0]
    assert "Its mean over each epoch, which the post shows, starts about the same and ends higher (+0.300)." in expected
    assert "Its mean over each epoch" not in write_answer(example_evidence(example_study(), {}))


@pytest.mark.parametrize(
    ("reported", "data", "words"),
    [
        (0.93, 0.068, "The reported loss starts higher (+0.930), 0.862 of it penalty."),
        (0.4, 0.0, "The reported loss starts higher (+0.400), all of it penalty."),
        (0.1, 0.2, "The reported loss starts higher (+0.100), none of it penalty."),
        (0.0, 0.2, "The reported loss starts about the same."),
        (-0.2, 0.0, "The reported loss starts lower (−0.200)."),
    ],
)
def test_a_reported_loss_that_holds_a_penalty_has_its_own_start(reported, data, words):
    changes = {"baseline": {REPORTED_START: reported, DATA_START: data}}
    answer = write_answer(example_evidence(example_study(), changes))
    assert answers(answer, "baseline")[2].endswith(f"in the largest. {words}")
    assert "reported loss" not in answers(answer, "no_l2")[2]


def test_a_start_that_is_slightly_higher_is_hardly_harder():
    evidence = example_evidence(example_study(), {"no_l2": {DATA_START: 0.1}})
    verdicts = evidence.tables["verdicts"].copy()
    rising = (verdicts["verdict"] == "rises") & (verdicts["feature"] == "starting_loss")
    for slight, opening in ((False, "Yes: "), (True, "Hardly: ")):
        verdicts.loc[rising, "slight"] = slight
        answer = write_answer(replace(evidence, tables=evidence.tables | {"verdicts": verdicts}))
        assert answers(answer, "no_l2")[2].startswith(opening)


def test_larger_networks_that_truly_end_higher():
    answer = write_answer(example_evidence(example_study(), {"no_l2": {REPORTED_END: 0.2, DATA_END: 0.2}}))
    assert "and a higher data loss in `no_l2` (+0.200)" in answer
    assert answers(answer, "no_l2")[3].startswith("It may be: in larger networks the data loss ends higher (+0.200)")
    assert "data loss, end: rises, not falls" in answer


def test_larger_networks_that_cross():
    answer = write_answer(example_evidence(example_study(), {}, crossed=5))
    assert (
        answers(answer, "no_l2")[-1]
        == "Yes, the largest crosses below the smallest in every seed, at step 96 (median)."
    )
    some = write_answer(example_evidence(example_study(), {}, crossed=2))
    assert answers(some, "no_l2")[-1] == "The largest crosses below the smallest in 2 of 5 seeds."


def test_losses_that_cross_at_different_times_are_told_apart():
    evidence = example_evidence(example_study(), {}, crossed=5)
    crossings = evidence.tables["crossings"].copy()
    crossings.loc[crossings["measure"] == "objective", "crossed"] = 0
    later = answers(write_answer(replace(evidence, tables=evidence.tables | {"crossings": crossings})), "baseline")[-1]
    assert later == (
        "Not within 288 steps (all have settled), by the reported loss. By the data loss: yes, the largest crosses "
        "below the smallest in every seed, at step 96 (median)."
    )


def test_a_largest_network_that_diverged_is_not_said_to_cross_later():
    evidence = example_evidence(example_study(), {}, settled=False)
    runs = evidence.tables["runs"].copy()
    runs["diverged"] = (runs["parameters"] == max(SIZES.values())) & (runs["seed"] < 2)
    answer = write_answer(replace(evidence, tables=evidence.tables | {"runs": runs}))
    assert answers(answer, "no_l2")[-1] == "No, the largest diverged in 2 of 5 seeds."


def test_a_rise_with_diverged_runs_is_a_lower_bound():
    evidence = example_evidence(example_study(), {"no_l2": {REPORTED_END: 0.2, DATA_END: 0.2}})
    ends = evidence.tables["verdicts"].copy()
    ends.loc[ends["feature"] == "end_value", ["diverged", "ci_high"]] = [2, float("inf")]
    answer = write_answer(replace(evidence, tables=evidence.tables | {"verdicts": ends}))
    assert "| +0.200 [+0.190, +∞] | rises by at least |" in answer
    assert "ends higher (+0.200 at least)" in answer


def test_what_is_open_is_called_open():
    study = example_study()
    undecided = {(name, *key): "undecided" for name in study.judged for key in (REPORTED_END, DATA_END, MIDWAY)}
    answer = write_answer(example_evidence(study, {}, verdicts=undecided, settled=False))
    assert "higher reported loss in none for certain (undecided in `baseline` and `no_l2`)" in answer
    expected, longer, _, stuck, _ = answers(answer, "baseline")
    assert expected.startswith("Undecided: ")
    assert longer == "Undecided."
    assert stuck.startswith("No clear answer: ")
    assert (
        "- Undecided in `baseline`: reported loss, end (about 12 seeds would halve the interval); data loss, end (about"
        in answer
    )
    assert "undecided are data loss, steps to midway; reported loss, end; data loss, end." in section(
        answer, "What was expected"
    )


def test_a_size_that_goes_against_a_certain_trend_is_the_reason_and_no_seeds_are_asked_for():
    study = example_study()
    undecided = {(name, *key): "undecided" for name in study.judged for key in (REPORTED_END, DATA_END, MIDWAY)}
    changes = {name: {REPORTED_END: 0.2, DATA_END: -0.2, MIDWAY: 1.0} for name in study.judged}
    answer = write_answer(example_evidence(study, changes, verdicts=undecided))
    assert "halve the interval" not in answer
    assert "| undecided (the trend is certain, but some larger size goes against it) |" in answer
    assert "reported loss, end (the trend is certain, but some larger size" in section(answer, "What was not shown")
    expected, longer, _, stuck, _ = answers(answer, "baseline")
    assert "ends higher as a trend (+0.200), but some larger size goes against it." in expected
    assert longer == (
        "Undecided: as a trend, the largest takes 2 times the steps of the smallest to midway, but some larger size "
        "goes against it."
    )
    assert stuck.startswith("No clear answer: in larger networks the data loss ends lower as a trend (−0.200), but")


def test_equal_compute_is_told_of_the_larger_network():
    answer = write_answer(example_evidence(example_study(), {"no_l2": {("data_loss", "equal_compute"): 0.2}}))
    assert answers(answer, "no_l2")[1].endswith(
        "At equal training compute the larger network's data loss is higher (+0.200)."
    )


@pytest.mark.parametrize("verdict", ["rises", "falls", "flat", "mixed", "diverged", "undecided"])
def test_every_verdict_has_its_words(verdict):
    study = example_study()
    every = pandas.MultiIndex.from_product([study.judged, ["objective", "data_loss", "printed"]])
    features = ("starting_loss", "initial_decay", "steps_to_midway", "end_value", "equal_compute")
    verdicts = {(*pair, feature): verdict for pair in every for feature in features}
    changes = {name: {REPORTED_START: 0.1, REPORTED_END: 0.1} for name in study.judged}
    answer = write_answer(example_evidence(study, changes, verdicts=verdicts))
    assert all(all(answers(answer, name)) for name in study.judged)


def test_nothing_is_said_of_plateaus_where_nothing_settled():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED, settled=False))
    said = section(answer, "The five questions of the post")
    assert re.findall(r"[^.]*plateau[^.]*", said) == [" None of the 15 runs reached a plateau"]
    assert "No sign of it so far" in answers(answer, "baseline")[3]
    assert "not every size has settled" in section(answer, "What was not shown")


def test_causes_come_from_contrasts_and_name_their_factor():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED))
    causes = section(answer, "What causes it")
    assert "| `no_l2` less `baseline` | `training.l2` 0.0001 → 0 | falls −0.100 [−0.110, −0.090] | flat" in causes
    alone = write_answer(example_evidence(example_study(study=["baseline"]), AS_EXPECTED))
    assert "What causes it" not in alone
    assert "- Causes: no two circumstances of this study differ in one factor." in alone


def test_advice_is_given_only_where_every_prediction_held():
    held = write_answer(example_evidence(example_study(), AS_EXPECTED))
    assert re.search("^- `baseline`. Look for: .* Change: ", held, re.MULTILINE)
    assert "No advice from" not in held
    broken = AS_EXPECTED | {"no_l2": AS_EXPECTED["no_l2"] | {MIDWAY: 1.0}}
    answer = write_answer(example_evidence(example_study(), broken))
    advice = section(answer, "Which circumstance are you in, and what to change")
    assert "- `no_l2`. Look for" not in advice
    assert "- No advice from `no_l2`: " in advice
    assert "- `no_l2`: data loss, steps to midway: rises, not falls." in answer


def test_predictions_are_counted_by_kind():
    expected = section(write_answer(example_evidence(example_study(), AS_EXPECTED)), "What was expected")
    assert "4 of 4 starts, 6 of 6 times, 4 of 4 ends and 4 of 4 contrasts." in expected


def test_few_seeds_or_sizes_are_called_an_indication():
    few = write_answer(example_evidence(example_study(), {}))
    indication = (
        f"This is an indication: a published verdict needs {PUBLISHED_SEEDS} seeds and {PUBLISHED_SIZES} sizes."
    )
    assert indication in few
    evidence = example_evidence(example_study(), {})
    verdicts = evidence.tables["verdicts"].assign(sizes=PUBLISHED_SIZES)
    enough = write_answer(replace(evidence, tables=evidence.tables | {"verdicts": verdicts}))
    assert "indication" not in enough
    assert "two starts are decided at a level of 0.25% each and the two ends at 2.25% each" in enough


def test_what_does_not_remain_over_the_catalogue_is_named():
    evidence = example_evidence(example_study(), AS_EXPECTED)
    verdicts = evidence.tables["verdicts"].copy()
    start = (verdicts["measure"] == "objective") & (verdicts["feature"] == "starting_loss")
    verdicts.loc[start, "p_catalogue"] = 0.2
    answer = write_answer(replace(evidence, tables=evidence.tables | {"verdicts": verdicts}))
    assert "do not remain at 5% over all circumstances together (Holm): `baseline`, reported loss, start." in answer


def test_it_says_what_it_is_conditional_on():
    assert "All posted settings are as in the post." in write_answer(example_evidence(example_study(), {}))
    answer = write_answer(example_evidence(example_study(training={"learning_rate": 1e-4}), {}))
    assert "This study changes posted settings: `training.learning_rate` is 0.0001, not 1e-05." in answer
    assert "Each seed draws its own dataset" in answer


def test_learning_rates_are_told_with_their_intervals():
    grid = {"grid": "learning_rates"}
    rates = [
        grid | {"width": width, "parameters": parameters, "log2_rate": rate, "censored": False}
        for width, parameters, rate in ((2, 15_708, -8.0), (26, 2_613_444, -10.0))
    ]
    slopes = [
        {"quantity": "best", "slope": -0.55, "ci_low": -0.7, "ci_high": -0.4, "censored": 0, "verdict": "falls"}
        | {"expected": "falls", "agrees": True},
        {"quantity": "highest_stable", "censored": 2, "verdict": "undecided", "expected": None},
    ]
    by_rate = [
        {"learning_rate": rate, "verdict": verdict, "change": -0.1, "ci_low": -0.2, "ci_high": -0.05}
        | {"at_or_below_best": below, "base_width": 8, "seeds": 5}
        for rate, verdict, below in (
            (1e-3, "falls", True), (2e-3, "falls", True), (4e-3, "rises", False), (None, "flat", None),
        )
    ]  # fmt: skip
    tables = {
        "learning_rates": make_table("learning_rates", rates),
        "learning_rate_slopes": make_table("learning_rate_slopes", [grid | row | {"seeds": 5} for row in slopes]),
        "learning_rate_verdicts": make_table("learning_rate_verdicts", [grid | row for row in by_rate]),
    }
    study = example_study(study=["baseline", "learning_rates"])
    answer = write_answer(example_evidence(study, AS_EXPECTED, **tables))
    assert (
        "| `learning_rates` | 3.9e-3 → 9.8e-4 | falls −0.55 [−0.70, −0.40] | undecided: 2 widths at the grid's edge | "
        "width 8: falls at 1e-3, 2e-3 | rises at 4e-3 | flat −0.100 [−0.200, −0.050] |" in answer
    )
    assert "1 of 1 learning rates" in answer
    assert "Whether another learning rate" not in answer
    assert "Whether another learning rate" in write_answer(example_evidence(example_study(), {}))


def test_what_embedding_shows_is_told_with_how_often_training_ends_higher():
    study = example_study()
    row = {"circumstance": "baseline", "smaller": "width2", "larger": "width3"}
    losses = {"smaller_objective": 0.5, "embedded_objective": 0.5 + 2e-7}
    rows = [row | losses | {"seed": seed, "larger_objective": 0.4 + 0.2 * seed} for seed in (0, 1)]
    evidence = example_evidence(study, AS_EXPECTED, nesting=make_table("nesting", fill(rows, "nesting")))
    answer = " ".join(write_answer(evidence).split())
    assert "in every wider one shows it (2 pairs): the reported losses differ by at most 2e-07 nats. In 1 of" in answer
    assert "Embedding each" not in write_answer(example_evidence(study, AS_EXPECTED))
    same = make_table("nesting", fill(rows, "nesting")).assign(embedded_objective=0.5)
    answer = " ".join(write_answer(example_evidence(study, AS_EXPECTED, nesting=same)).split())
    assert "the reported losses do not differ. In 1 of" in answer


def test_the_program_writes_the_three_files(tmp_path):
    study = example_study()
    write_results(study, example_evidence(study, AS_EXPECTED), tmp_path)
    summary = {"class_counts": {"train": [9, 9], "test": [4, 4]}, "shape": [1, 9, 9, 9]}
    (tmp_path / "data.json").write_text(json.dumps(summary))
    command = [
        sys.executable,
        "scripts/write_answer.py",
        f"--study={tmp_path}/study.json",
        f"--tables={tmp_path}/tables",
    ]
    outputs = {kind: tmp_path / name for kind, name in (("markdown", "a.md"), ("html", "a.html"), ("evidence", "e.md"))}
    options = [f"--{kind}={path}" for kind, path in outputs.items()]
    subprocess.run([*command, f"--dataset={tmp_path}/data.json", *options], cwd=ROOT, check=True)
    assert outputs["markdown"].read_text().startswith("# Under which circumstances")
    assert "18 training cubes of 9 voxels a side in 2 classes" in outputs["markdown"].read_text()
    assert "<table>" in outputs["html"].read_text()
    assert outputs["evidence"].read_text().startswith("# Evidence")
