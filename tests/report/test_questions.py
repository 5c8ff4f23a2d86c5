"""The five questions of the post are answered as the tables say, and left open where they are open."""

import re

import pandas
import pytest
from example_study import (
    AS_EXPECTED,
    DATA_END,
    DATA_START,
    MIDWAY,
    REPORTED_END,
    REPORTED_START,
    SIZES,
    example_evidence,
    example_study,
    fill,
    section,
    with_tables,
    with_values,
)

from widthwise.analysis.tables import make_table
from widthwise.report.answer import write_answer

QUESTIONS = 5
PENALTY_IS = "The penalty, where the reported loss holds one, is"


def at_top_level(text: str) -> list[str]:
    """The parts of a text between semicolons outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == ";" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def answers(answer: str, title: str) -> list[tuple[str, str]]:
    """Statement and detail on one circumstance, for each of the five questions."""
    found = []
    for question in section(answer, "The five questions of the post").split("### ")[1:]:
        for statement, titles in re.findall(r"^- \*(.*?)\.\* (.*)\.$", question, re.MULTILINE):
            for part in at_top_level(titles):
                named, detail = re.fullmatch(r"(.*?)(?: \((.*)\))?", part).groups(default="")
                if title.lower() in re.split(r", | and ", named.lower()) or named == "Every circumstance":
                    found.append((statement, detail))
    assert len(found) == QUESTIONS
    return found


def test_the_same_losses_have_one_row_and_one_answer():
    study = example_study(study=["baseline", "no_l2", "l2_in_optimiser"])
    answer = write_answer(example_evidence(study, AS_EXPECTED | {"l2_in_optimiser": AS_EXPECTED["no_l2"]}))
    assert "| no L2, L2 in the optimiser | = data loss |" in answer
    assert "| L2 in the optimiser |" not in answer
    assert answers(answer, "no L2") == answers(answer, "L2 in the optimiser")


def test_equal_statements_are_told_once_with_what_they_hold_for():
    study = example_study(study=["baseline", "no_l2", "sgd"])
    slower = {"baseline": {MIDWAY: 1.0}, "no_l2": {MIDWAY: -1.0}, "sgd": {MIDWAY: 2.0, DATA_START: 0.2}}
    questions = section(write_answer(example_evidence(study, slower, settled=False)), "The five questions of the post")
    assert (
        "- *Yes: the largest takes more steps to midway.* Baseline (64 → 128 steps); SGD (64 → 256 steps).\n"
        "- *Not in steps: the largest takes no more to midway.* No L2 (64 → 32 steps)." in questions
    )
    assert "- *Not within 288 steps, but not every size has settled.* Every circumstance." in questions
    statements = re.findall(r"^- \*(.*?)\.\* ", questions, re.MULTILINE)
    assert len(statements) == len(set(statements))


def test_a_penalty_that_hides_a_better_fit():
    baseline = AS_EXPECTED["baseline"] | {REPORTED_END: 0.2}
    answer = write_answer(example_evidence(example_study(), {"baseline": baseline, "no_l2": AS_EXPECTED["no_l2"]}))
    expected, longer, harder, stuck, later = answers(answer, "baseline")
    assert expected[0] == "Yes: in larger networks the reported loss starts and ends higher"
    assert expected[1].startswith("start +0.100, end +0.200")
    share = "all of the rise at the start and all of the rise at the end"
    assert f"{PENALTY_IS} {share}." in answer
    assert longer == ("Not in steps: the largest takes no more to midway", "64 → 32 steps")
    assert harder == ("No: in larger networks the data loss starts no higher", "0.700")
    assert stuck == ("No sign of it: in larger networks the data loss ends no higher", "0.700 → 0.300")
    assert later == ("Not within 288 steps, and every size has settled", "")
    assert answers(answer, "no L2")[0][0] == "No: in larger networks the reported loss neither starts nor ends higher"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": (0.4, 0.1)}, "75% of the rise at the start"),
        ({"baseline": (0.4, 0.0)}, "all of the rise at the start"),
        ({"baseline": (0.4, -0.2)}, "all of the rise at the start"),
        ({"baseline": (0.1, 0.2)}, "none of the rise at the start"),
        ({"baseline": (0.4, 0.1), "sgd": (0.4, 0.0)}, "between 75% and all of each rise at the start"),
        ({"baseline": (0.4, 0.1), "sgd": (0.8, 0.2)}, "75% of each rise at the start"),
        ({"baseline": (0.4, 0.1), "no_l2": (0.3, 0.3)}, "75% of the rise at the start"),
        ({"baseline": (0.0, 0.2)}, None),
        ({"baseline": (-0.2, 0.0)}, None),
    ],
)
def test_the_share_of_the_penalty_in_a_rise(changes, words):
    study = example_study(study=["baseline", "no_l2", "sgd"])
    starts = {name: {REPORTED_START: reported, DATA_START: data} for name, (reported, data) in changes.items()}
    answer = write_answer(example_evidence(study, starts))
    assert re.findall(rf"{PENALTY_IS} (.*?)\.", answer) == ([words] if words else [])


def test_the_posts_own_measure_is_told_where_it_differs():
    changes = {"baseline": {("printed", "end_value"): 0.3}}
    answer = write_answer(example_evidence(example_study(), changes))
    detail = answers(answer, "baseline")[0][1]
    assert detail == "start 0.000, end 0.000; the printed loss starts about the same and ends higher"
    assert "printed loss" not in answers(answer, "no L2")[0][1]


@pytest.mark.parametrize(
    ("missing", "crossed", "shown"),
    [
        ((), 0, "in baseline; the printed loss, its mean over each epoch and what the post shows, in none."),
        (("starting_loss",), 0, "in none; the printed loss"),
        (("initial_decay",), 0, "in none; the printed loss"),
        (("end_value",), 0, "in none; the printed loss"),
        ((), 1, "in none; the printed loss"),
    ],
)
def test_all_four_signs_of_the_post_are_told_of(missing, crossed, shown):
    signs = {
        ("objective", sign): 0.3 for sign in ("starting_loss", "initial_decay", "end_value") if sign not in missing
    }
    answer = write_answer(example_evidence(example_study(), {"baseline": signs}, crossed=crossed))
    assert f"The reported loss shows all four {shown}" in section(answer, "The five questions of the post")


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (["starting_loss"], "starts higher, but not size by size, and ends about the same"),
        (["end_value"], "starts about the same and ends higher, but not size by size"),
        (["starting_loss", "end_value"], "starts and ends higher, but not size by size"),
    ],
)
def test_a_printed_loss_whose_sizes_do_not_go_one_way(features, words):
    changes = {("printed", feature): 0.2 for feature in features}
    verdicts = {("baseline", *key): "undecided" for key in changes}
    answer = write_answer(example_evidence(example_study(), {"baseline": changes}, verdicts=verdicts))
    assert answers(answer, "baseline")[0][1] == f"start 0.000, end 0.000; the printed loss {words}"


def test_a_start_that_is_slightly_higher_is_hardly_harder():
    evidence = example_evidence(example_study(), {"no_l2": {DATA_START: 0.1}})
    rising = "verdict == 'rises' and feature == 'starting_loss'"
    for slight, change in ((False, 0.1), (True, 0.1), (False, 0.009)):
        answer = write_answer(with_values(evidence, "verdicts", rising, slight=slight, change=change))
        opening, higher = ("Hardly", "slightly higher") if slight or change < 0.01 else ("Yes", "higher")
        words = f"{opening}: in larger networks the data loss starts {higher}"
        assert answers(answer, "no L2")[2] == (words, "0.700 → 0.800")


def test_larger_networks_that_truly_end_higher():
    answer = write_answer(example_evidence(example_study(), {"no_l2": {REPORTED_END: 0.2, DATA_END: 0.2}}))
    assert "; the data loss in no L2 (0.700 → 0.900). The" in answer
    assert answers(answer, "no L2")[0] == (
        "In part: in larger networks the reported loss ends higher, but does not start higher",
        "start 0.000, end +0.200; the printed loss starts and ends about the same",
    )
    assert answers(answer, "no L2")[3] == ("It may be: in larger networks the data loss ends higher", "0.700 → 0.900")
    assert (
        "- Data loss, end: expected falls, found flat, in baseline; expected falls, found rises, in no L2; " in answer
    )


@pytest.mark.parametrize(
    ("start", "end", "statement"),
    [
        ("rises", "undecided", "In part: {} starts higher, but is not shown to end higher"),
        ("rises", "flat", "In part: {} starts higher, but does not end higher"),
        ("rises", "falls", "In part: {} starts higher, but does not end higher"),
        ("undecided", "rises", "In part: {} ends higher, but is not shown to start higher"),
        ("flat", "rises", "In part: {} ends higher, but does not start higher"),
        ("undecided", "undecided", "Undecided: {} is not shown to start or to end higher"),
        ("flat", "undecided", "Undecided: {} starts no higher; whether it ends higher is open"),
        ("undecided", "falls", "Undecided: {} ends no higher; whether it starts higher is open"),
    ],
)
def test_no_more_is_called_open_than_is(start, end, statement):
    verdicts = {("baseline", *REPORTED_START): start, ("baseline", *REPORTED_END): end}
    changes = {"baseline": dict.fromkeys((REPORTED_START, REPORTED_END), 0.1)}
    answer = write_answer(example_evidence(example_study(), changes, verdicts=verdicts))
    assert answers(answer, "baseline")[0][0] == statement.format("in larger networks the reported loss")


@pytest.mark.parametrize(
    ("crossed", "below", "words"),
    [
        (5, 0, ("Yes: the largest crosses below the smallest in every seed", "at step 96 in the median")),
        (2, 0, ("In some seeds the largest crosses below the smallest", "in 2 of 5 seeds")),
        (0, 5, ("The largest is below the smallest from the start", "")),
        (0, 0, ("Not within 288 steps, and every size has settled", "")),
    ],
)
def test_larger_networks_that_cross(crossed, below, words):
    evidence = example_evidence(example_study(), {}, crossed=crossed)
    answer = write_answer(with_values(evidence, "crossings", "seeds > 0", always_below=below))
    assert answers(answer, "no L2")[-1] == words


def test_losses_that_cross_at_different_times_are_told_apart():
    evidence = with_values(
        example_evidence(example_study(), {}, crossed=5), "crossings", "seeds > 0", median_crossing=1968.0
    )
    never, sometimes = (with_values(evidence, "crossings", "measure == 'objective'", crossed=seeds) for seeds in (0, 2))
    assert answers(write_answer(never), "baseline")[-1] == (
        "By the reported loss, not within 288 steps, and every size has settled; by the data loss, yes: the largest "
        "crosses below the smallest in every seed",
        "data loss: at step 1,968 in the median",
    )
    detail = answers(write_answer(sometimes), "baseline")[-1][1]
    assert detail == "reported loss: in 2 of 5 seeds; data loss: at step 1,968 in the median"


def test_a_largest_network_that_diverged_is_not_said_to_cross_later():
    evidence = example_evidence(example_study(), {}, settled=False)
    largest = f"parameters == {max(SIZES.values())}"
    answer = write_answer(with_values(evidence, "runs", f"{largest} and seed < 2", diverged=True))
    not_yet = "Not within 288 steps, but not every size has settled"
    assert answers(answer, "no L2")[-1] == (not_yet, "the largest diverged in 2 of 5 seeds")
    answer = write_answer(with_values(evidence, "runs", largest, diverged=True))
    assert answers(answer, "no L2")[-1] == ("No: the largest diverged", "in 5 seeds")


def test_a_rise_with_diverged_runs_is_a_lower_bound():
    evidence = example_evidence(example_study(), {"no_l2": {REPORTED_END: 0.2, DATA_END: 0.2}})
    answer = write_answer(with_values(evidence, "verdicts", "feature == 'end_value'", diverged=2, ci_high=float("inf")))
    assert ": rises by at least +0.200 [+0.190, +∞] |" in answer
    assert answers(answer, "no L2")[0][1].startswith("start 0.000, end +0.200 at least")


def test_what_is_lost_to_divergence_is_told_first():
    study = example_study()
    lost = {("no_l2", *key): "diverged" for key in (REPORTED_END, DATA_END)}
    evidence = example_evidence(study, {}, verdicts=lost)
    no_change = dict.fromkeys(("change", "ci_low", "ci_high"), float("nan"))
    answer = write_answer(with_values(evidence, "verdicts", "verdict == 'diverged'", diverged=5, **no_change))
    opening, lost = answer.split("\n\n")[1:3]
    assert "; the data loss in none for certain. The" in opening
    assert lost == "Of 2 circumstances, networks diverge in no L2."
    statement, detail = answers(answer, "no L2")[0]
    assert statement == "No answer: at some size every run diverged"
    assert detail.startswith("start 0.000, end diverged; ")
    told = "expected falls, found flat, in baseline; expected falls, found divergence, in no L2"
    assert f"- Data loss, end: {told}.\n" in answer


def test_what_is_open_is_called_open():
    study = example_study()
    undecided = {(name, *key): "undecided" for name in study.judged for key in (REPORTED_END, DATA_END, MIDWAY)}
    answer = write_answer(example_evidence(study, {}, verdicts=undecided, settled=False))
    assert "the reported loss ends higher in none for certain" in answer
    expected, longer, _, stuck, _ = answers(answer, "baseline")
    assert expected[0].startswith("Undecided: ")
    assert longer == ("Undecided", "64 → 64 steps")
    assert stuck == ("No clear answer: the data loss is undecided at the end", "0.700; every size still moving")
    narrower = "(about 12 seeds would halve the interval)"
    assert section(answer, "What was not shown").splitlines()[:3] == [
        f"- Undecided, reported loss at the end: baseline {narrower}.",
        f"- Undecided, data loss at the end: baseline and no L2 {narrower}.",
        "- What longer runs reach in every circumstance: not every size has settled.",
    ]
    assert "Undecided: 6. Contradicted:\n" in section(answer, "What was expected, and what came out")


def test_a_size_that_goes_against_a_certain_trend_is_the_reason_and_no_seeds_are_asked_for():
    study = example_study()
    undecided = {(name, *key): "undecided" for name in study.judged for key in (REPORTED_END, DATA_END, MIDWAY)}
    changes = {name: {REPORTED_END: 0.2, DATA_END: -0.2, MIDWAY: 1.0} for name in study.judged}
    answer = write_answer(example_evidence(study, changes, verdicts=undecided))
    why = "(the sizes do not go one way)"
    assert "halve the interval" not in answer
    assert f": undecided {why} +0.200 [+0.190, +0.210] |" in answer
    assert section(answer, "What was not shown").splitlines()[:2] == [
        f"- Undecided, reported loss at the end: baseline {why}.",
        f"- Undecided, data loss at the end: baseline and no L2 {why}.",
    ]
    expected, longer, _, stuck, _ = answers(answer, "baseline")
    assert expected[0].startswith("Undecided")
    assert expected[1].startswith("start 0.000, end +0.200")
    assert longer == ("Undecided, since the sizes do not go one way", "64 → 128 steps")
    assert stuck == ("No clear answer: the data loss ends lower, but not size by size", "0.700 → 0.500")


def test_equal_compute_is_told_of_the_larger_network():
    answer = write_answer(example_evidence(example_study(), {"no_l2": {("data_loss", "equal_compute"): 0.2}}))
    budget = 288 * SIZES["width8"] / SIZES["width26"]
    assert answers(answer, "no L2")[1][1] == "64 → 64 steps; at equal compute +0.200"
    equal = (
        f"Equal compute is what the middle size's whole training costs: {budget:.0f} steps of the largest. *At equal "
        "compute* below is how the data loss then changes with size. For equal compute, larger networks end with a "
        "higher data loss in 1 of 2 circumstances."
    )
    assert equal in section(answer, "The five questions of the post")
    evidence = example_evidence(example_study(), {})
    verdicts = evidence.tables["verdicts"].query("feature != 'equal_compute'")
    assert "qual compute" not in write_answer(with_tables(evidence, verdicts=verdicts))
    assert answers(answer, "baseline")[1][1] == "64 → 64 steps"


@pytest.mark.parametrize(
    ("verdict", "largest", "words"),
    [
        ("undecided", {"at_horizon": 4}, "64 → ≥ 64 steps; 4 of 15 runs ended before midway"),
        ("undecided", {"diverged": 2, "mean": float("nan")}, "2 of 15 runs diverged"),
        (
            "undecided",
            {"at_horizon": 1, "diverged": 2, "mean": float("nan")},
            "1 of 15 runs ended before midway; 2 of 15 runs diverged",
        ),
        ("flat", {"at_horizon": 4, "mean": 11.0}, "64 → ≥ 2,048 steps"),
        ("rises", {"diverged": 2, "mean": float("nan")}, ""),
    ],
)
def test_runs_without_a_time_to_midway_are_counted_where_it_is_undecided(verdict, largest, words):
    evidence = example_evidence(example_study(), {}, verdicts={("baseline", *MIDWAY): verdict})
    midway = "size == 'width26' and feature == 'steps_to_midway'"
    answer = write_answer(with_values(evidence, "features", midway, **largest))
    assert answers(answer, "baseline")[1][1] == words


@pytest.mark.parametrize("verdict", ["rises", "falls", "flat", "mixed", "diverged", "undecided"])
def test_every_verdict_has_its_words(verdict):
    study = example_study()
    every = pandas.MultiIndex.from_product([study.judged, ["objective", "data_loss", "printed"]])
    features = ("starting_loss", "initial_decay", "steps_to_midway", "end_value", "equal_compute")
    verdicts = {(*pair, feature): verdict for pair in every for feature in features}
    changes = {name: {REPORTED_START: 0.1, REPORTED_END: 0.1, DATA_START: 0.1} for name in study.judged}
    answer = write_answer(example_evidence(study, changes, verdicts=verdicts))
    expected, longer, harder, stuck, _ = (statement for statement, _ in answers(answer, "no L2"))
    opening = {"rises": ("Yes", "Yes", "Yes", "It may be")}
    opening["falls"] = opening["flat"] = ("No", "Not in steps", "No", "No sign of it")
    opening["mixed"] = ("It depends on the size", "It depends on the size", "No clear answer", "No clear answer")
    opening["diverged"] = ("No answer", "No answer", "No clear answer", "No clear answer")
    opening["undecided"] = ("Undecided", "Undecided", "No clear answer", "No clear answer")
    assert tuple(re.split("[:,]", words)[0] for words in (expected, longer, harder, stuck)) == opening[verdict]


def test_nothing_is_said_of_plateaus_where_nothing_settled():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED, settled=False))
    statement, detail = answers(answer, "baseline")[3]
    assert statement == "No sign of it so far: in larger networks the data loss ends no higher"
    assert detail == "0.700 → 0.300; every size still moving"
    assert "plateau" not in section(answer, "The five questions of the post")
    assert "What longer runs reach in every circumstance: not every" in section(answer, "What was not shown")


def test_the_sizes_that_have_not_settled_are_named():
    evidence = example_evidence(example_study(), AS_EXPECTED)
    end = "circumstance == 'no_l2' and feature == 'end_value' and size == 'width2'"
    answer = write_answer(with_values(evidence, "features", end, plateau="moving"))
    assert answers(answer, "no L2")[3][1] == "0.700 → 0.300; widths 8 and 26 settled, width 2 still moving"
    assert answers(answer, "baseline")[3][1] == "0.700 → 0.300"
    assert "- What longer runs reach in no L2: not every size has settled." in answer


def test_what_embedding_shows_is_told_with_how_often_training_ends_higher():
    study = example_study()
    row = {"circumstance": "baseline", "smaller": "width2", "larger": "width8"}
    # Reported losses far above 1 differ as those below do, and a penalty alone does not make a data loss higher.
    losses = {"smaller_objective": 50.0, "embedded_objective": 50.0 - 2e-7, "larger_objective": 60.0}
    rows = [
        row | losses | {"seed": seed, "embedded_data_loss": 0.5, "larger_data_loss": 0.4 + 0.2 * seed}
        for seed in (0, 1)
    ]
    nesting = make_table("nesting", fill(rows, "nesting"))
    evidence = example_evidence(study, AS_EXPECTED, nesting=nesting)
    shown = "embedded in every wider one ({}, none diverged): the reported losses"
    higher = "In {} the wider network, as trained, has the higher data loss on the same few mini-batches."
    # Rounded up: 50 - 2e-7 is a float that lies a little further off.
    words = f"{shown.format('2 pairs')} differ by at most 3e-7 nats. {higher.format('1 pair')}"
    assert words in write_answer(evidence)
    assert "was embedded" not in write_answer(example_evidence(study, AS_EXPECTED))
    same = nesting.assign(embedded_objective=nesting["smaller_objective"])
    answer = write_answer(example_evidence(study, AS_EXPECTED, nesting=same))
    assert f"{shown.format('2 pairs')} do not differ. {higher.format('1 pair')}" in answer
    broken = nesting.copy()
    broken.loc[broken["seed"] == 1, "embedded_objective"] = 1e9
    for size in ("width2", "width8"):
        lost = with_values(evidence, "runs", f"size == '{size}' and seed == 1", diverged=True)
        answer = write_answer(with_tables(lost, nesting=broken))
        assert f"{shown.format('1 pair')} differ by at most 3e-7 nats. {higher.format('0 pairs')}" in answer
        answer = write_answer(with_tables(lost, nesting=broken.tail(1)))
        assert "was embedded" not in answer
        assert "nan" not in answer
