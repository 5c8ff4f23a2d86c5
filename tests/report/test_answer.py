"""The answer says what the tables say, whichever way they point, and calls open what is open."""

import copy
import json
import re
import subprocess
import sys

import pytest
import write_answer as write_answer_program
import yaml
from example_study import (
    AS_EXPECTED,
    CONFIG,
    DATA_END,
    DATA_START,
    DATASET,
    DEFAULTS,
    MARGIN,
    MIDWAY,
    REPORTED_END,
    REPORTED_START,
    ROOT,
    SCHEMA_KEYS,
    example_evidence,
    example_study,
    row_of,
    section,
    with_tables,
    with_values,
    write_results,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from programs import run_program
from snakemake.utils import update_config

from widthwise.analysis.tables import make_table
from widthwise.report.answer import MOST_CAUSES, MOST_NAMED, write_answer
from widthwise.report.evidence import write_evidence
from widthwise.study.plan import Study
from widthwise.study.requirements import PUBLISHED_SEEDS, PUBLISHED_SIZES

ADVICE = "Which circumstance are you in, and what to change"
PENALTY_LEFT = "The penalty that is left"
EXPECTED = "What was expected, and what came out"


def layered_study(name: str) -> Study:
    """The study of a file in config/studies."""
    config = copy.deepcopy(DEFAULTS)
    update_config(config, yaml.safe_load((CONFIG / f"studies/{name}.yaml").read_text()))
    return Study(config, SCHEMA_KEYS)


def study_of_others(*names: str, **settings) -> Study:
    """The default study's baseline and circumstances of which nothing is expected."""
    others = {
        name: {
            "hypothesis": "x",
            "source": "x",
            "reference": "baseline",
            "look_for": f"sign of {name}",
            "change": "It.",
        }
        | {"overrides": {"training": {"learning_rate": {"times": 2 + place}}}}
        for place, name in enumerate(names)
    }
    circumstances = DEFAULTS["circumstances"] | others
    return example_study(study=["baseline", *names], circumstances=circumstances, **settings)


# The short answer


def test_it_opens_with_the_short_answer_in_numbers():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED))
    title, first, second, *_ = answer.split("\n\n")
    assert title.startswith("# Under which circumstances")
    assert first == (
        "**With more parameters the reported loss ends higher in none; the data loss in none. The reported loss starts "
        "higher in baseline (0.700 → 0.800); the data loss in none.**"
    )
    assert second == "Of 2 circumstances, none is undecided."
    assert (
        "| baseline | 0.700 → 0.800: rises +0.100 [+0.090, +0.110] | 0.700 → 0.400: falls −0.300 [−0.310, −0.290] | "
        "0.700 → 0.700: flat 0.000 [−0.010, +0.010] | 0.700 → 0.300: falls −0.400 [−0.410, −0.390] |" in answer
    )
    assert "| no L2 | = data loss | = data loss | 0.700 → 0.700: flat 0.000 [−0.010, +0.010] | 0.700 → 0.300" in answer
    assert (
        "The start is the mean over untrained networks; the end is the mean over the last 10% of the steps." in answer
    )
    assert "Reported loss = data loss + penalty. Guessing costs log(2) = 0.693 nats." in answer
    assert "30 runs: 3 sizes of 15.7 k to 2.61 M parameters, 5 seeds, 288 steps" in answer


def test_where_many_rise_those_that_rise_most_are_named():
    names = ["sgd", "dropout", "small_batch", "he_init", "unscaled_head"]
    rises = {name: {REPORTED_END: 0.1 * place} for place, name in enumerate(names, start=1)}
    opening = write_answer(example_evidence(example_study(study=["baseline", *names]), rises)).split("\n\n")[1]
    assert MOST_NAMED == 4
    assert (
        "the reported loss ends higher in 5 circumstances, above all in unscaled head (0.700 → 1.200), He's "
        "initialisation (0.700 → 1.100), small batch (0.700 → 1.000) and dropout (0.700 → 0.900); the data loss in "
        "none. The" in opening
    )


def test_what_is_undecided_is_counted_in_the_short_answer():
    study = example_study()
    verdicts = {("baseline", *REPORTED_END): "undecided"} | {(name, *DATA_END): "undecided" for name in study.judged}
    answer = write_answer(example_evidence(study, {"no_l2": {REPORTED_END: 0.2}}, verdicts=verdicts))
    opening, undecided = answer.split("\n\n")[1:3]
    assert "ends higher in no L2 (0.700 → 0.900); the data loss in none for certain. The" in opening
    assert undecided == "Of 2 circumstances, the end is undecided in 1 (reported loss) and 2 (data loss)."


def test_a_loss_that_goes_no_one_way_is_told_beside_the_short_answer():
    verdicts = {("no_l2", *REPORTED_START): "mixed"}
    told = write_answer(example_evidence(example_study(), {}, verdicts=verdicts)).split("\n\n")[2]
    ways = "starts higher at some sizes and lower at others in no L2"
    assert told == f"Of 2 circumstances, the reported loss {ways}."


@pytest.mark.parametrize("verdict", ["undecided", "diverged"])
def test_networks_that_diverge_are_told_whatever_the_verdict(verdict):
    lost, *others = CATALOGUE.judged
    changes = {name: {DATA_END: 0.001 * place} for place, name in enumerate(others)}  # all flat, no two the same
    evidence = example_evidence(CATALOGUE, changes | {lost: {DATA_END: 0.1}})
    end = f"circumstance == '{lost}' and measure == 'data_loss' and feature == 'end_value'"
    answer = write_answer(with_values(evidence, "verdicts", end, verdict=verdict, diverged=1))
    _, told, table, _ = answer.split("\n\n")[1:5]
    assert told.endswith(f"networks diverge in {CATALOGUE.title(lost)}.")
    assert re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[2:] == [CATALOGUE.title(lost)]


def test_a_study_without_a_penalty_says_so():
    answer = write_answer(example_evidence(example_study(study=["no_l2", "l2_in_optimiser"]), {}))
    assert "The reported loss is the data loss: no penalty is in it." in answer
    assert PENALTY_LEFT not in answer
    assert "The penalty, where the reported loss holds one" not in answer


# A page, in words


CATALOGUE = layered_study("catalogue")
ENDS = st.sampled_from([0.0, 0.1, 0.3, -0.2])


@settings(max_examples=3, phases=[Phase.generate])
@given(data=st.data())
def test_an_answer_on_the_catalogue_is_one_page_and_has_no_keys(data):
    ends = st.fixed_dictionaries(dict.fromkeys((REPORTED_START, REPORTED_END, DATA_START, DATA_END), ENDS))
    changes = {name: data.draw(ends) for name in CATALOGUE.judged}
    open_ones = data.draw(
        st.sets(st.tuples(st.sampled_from(CATALOGUE.judged), st.just("data_loss"), st.just(MIDWAY[1])))
    )
    row = dict.fromkeys(("claim", "source", "theirs", "ours", "shown_by"), "x")
    literature = make_table("literature", [row | {"agrees": agrees} for agrees in ("yes", "no", "undecided") * 2])
    evidence = example_evidence(
        CATALOGUE,
        changes,
        verdicts=dict.fromkeys(open_ones, "undecided"),
        settled=data.draw(st.booleans()),
        crossed=data.draw(st.sampled_from([0, 2, 5])),
        literature=literature,
    )
    answer = write_answer(evidence)
    assert len(CATALOGUE.judged) == 19
    assert len(answer.splitlines()) < 120
    prose, quoted = re.sub("`.*?`", "", answer), re.findall("`(.*?)`", answer)
    for name, circumstance in CATALOGUE.circumstances.items():
        assert circumstance.title in prose
        assert name not in quoted
        assert "_" not in name or name not in prose


def test_an_answer_on_the_catalogue_that_advises_on_every_circumstance_is_one_page():
    config = copy.deepcopy(CATALOGUE.config)
    for name in CATALOGUE.judged:
        config["circumstances"][name].pop("expectation", None)
    study = Study(config, SCHEMA_KEYS)
    rising = {name: {REPORTED_END: 0.1 + place / 50, DATA_END: 0.1} for place, name in enumerate(study.judged)}
    answer = write_answer(example_evidence(study, rising, settled=False))
    advice = section(answer, ADVICE)
    assert advice.count("\n- **") == 12
    assert re.search(r"^- Smaller effects: .*\.$", advice, re.MULTILINE)[0].count(", ") == 5
    assert len(answer.splitlines()) < 120


def test_a_long_table_leaves_out_circumstances_that_show_nothing_and_names_them():
    rising, *others = CATALOGUE.judged
    changes = {name: {DATA_END: 0.001 * place} for place, name in enumerate(others)}  # all flat, no two the same
    answer = write_answer(example_evidence(CATALOGUE, changes | {rising: {DATA_END: 0.2}}))
    table, below = answer.split("\n\n")[3:5]
    titles = CATALOGUE.titles([rising, *others])
    assert [f"| {title} " in table for title in titles] == [True] + [False] * len(others)
    assert "Not in the table, since no loss rises, falls or diverges at start or end: " in below
    assert all(title in below for title in titles[1:])


def test_what_is_in_backticks_is_a_setting_or_a_file():
    answer = write_answer(example_evidence(layered_study("penalty"), {}))
    for quoted in set(re.findall(r"`(.*?)`", answer)):
        assert (
            re.fullmatch(r"(training|network|dataset|evaluation)\.\w+", quoted)
            or (ROOT / quoted).exists()
            or (quoted == "study.json")
        ), quoted


# Causes


def test_causes_come_from_contrasts_and_name_their_factor():
    answer = write_answer(example_evidence(example_study(), AS_EXPECTED))
    factor, *cells = row_of(answer, "What causes it", "no L2 against baseline")
    assert factor == "`training.l2` 1e-4 → 0"
    assert "*falls* means that it rises less, or falls more." in section(answer, "What causes it")
    assert cells[:2] == ["falls −0.100 [−0.110, −0.090]"] * 2
    assert cells[2:] == ["flat 0.000 [−0.010, +0.010]"] * 2
    alone = write_answer(example_evidence(example_study(study=["baseline"]), AS_EXPECTED))
    assert "What causes it" not in alone
    assert "- Causes: no two circumstances of this study differ in one factor." in alone


def test_causes_with_the_largest_effect_on_an_end_come_first():
    names = [f"other_{letter}" for letter in "abcdefgh"]
    effects = dict(zip(names, (0.1, -0.8, 0.0, 0.3, -0.5, 0.6, 0.2, 0.4), strict=True))
    changes = {name: {DATA_END: change} for name, change in effects.items()}
    told = section(write_answer(example_evidence(study_of_others(*names), changes)), "What causes it")
    shown = re.findall(r"^\| other (\w) against baseline", told, re.MULTILINE)
    assert shown == ["b", "f", "e", "h", "d", "g"]
    assert len(shown) == MOST_CAUSES
    assert told.endswith("Smaller effects: other a against baseline. No certain difference: other c against baseline.")


@pytest.mark.parametrize("lost", ["other_b", "other_a"])
def test_effects_that_diverged_have_no_size_and_come_last(lost):
    names = [f"other_{letter}" for letter in "abcdefg"]
    changes = {name: {DATA_END: 0.1 * place} for place, name in enumerate(names, start=1)}
    evidence = example_evidence(study_of_others(*names), changes)
    no_change = dict.fromkeys(("change", "ci_low", "ci_high"), float("nan"))
    end = f"circumstance == '{lost}' and feature == 'end_value'"
    contrasts = with_values(evidence, "contrasts", end, verdict="diverged", **no_change).tables["contrasts"]
    for shown, expected in ((names, "gfedc"), (names[:4], "dc")):
        some = contrasts[contrasts["circumstance"].isin(shown)]
        told = section(write_answer(with_tables(evidence, contrasts=some)), "What causes it")
        assert re.findall(r"^\| other (\w) against baseline", told, re.MULTILINE)[: len(expected)] == list(expected)
        is_last = told.splitlines()[-1].startswith(f"| {lost.replace('_', ' ')} against baseline |")
        assert is_last or told.endswith(f"Networks diverge: {lost.replace('_', ' ')} against baseline.")
        assert "Smaller effects" not in told


# The penalty that is left


def test_the_penalty_is_told_with_its_ratios():
    study = example_study(study=["baseline", "no_l2", "fixed_std_init"])
    ends = {"fixed_std_init": {REPORTED_END: 0.1}}
    evidence = example_evidence(study, ends, penalties={"fixed_std_init": (0.03, 0.06, 0.36)})
    answer = write_answer(evidence)
    start, end, level, ratio, power, over = row_of(answer, PENALTY_LEFT, "baseline")
    assert (start, end, level, power, over) == ("0.0100 → 0.0400", "0.0200 → 0.0800", "every size", "0.27", "–")
    assert re.fullmatch(r"4\.00 \[3\.\d\d, 4\.\d\d\]", ratio)
    start, end, _, ratio, power, over = row_of(answer, PENALTY_LEFT, "fixed standard deviation")
    assert (end, power) == ("0.0300 → 0.3600", "0.49")
    assert ratio.startswith("12.00 [")
    assert over.startswith("4.50 [")
    assert over.endswith("] (baseline)")
    assert "| no L2 |" not in section(answer, PENALTY_LEFT)
    answer = write_answer(example_evidence(study, ends, penalties={"baseline": (0.02, 0.04, 2e7)}))
    start, end, _, ratio, *_ = row_of(answer, PENALTY_LEFT, "baseline")
    assert (start, end, ratio[:5]) == ("0.0100 → 1e7", "0.0200 → 2e7", "1e9 [")


@pytest.mark.parametrize(
    ("runs", "words"), [((5, 5, 5), "every size"), ((5, 4, 5), "widths 2 and 26"), ((4, 0, 1), "no size")]
)
def test_a_penalty_is_level_at_the_sizes_of_which_every_run_is(runs, words):
    evidence = example_evidence(example_study(), {})
    penalties = evidence.tables["penalties"].assign(level=runs)
    answer = write_answer(with_tables(evidence, penalties=penalties))
    assert "| level at the end |" in section(answer, PENALTY_LEFT)
    assert row_of(answer, PENALTY_LEFT, "baseline")[2] == words


def test_of_many_penalties_those_are_told_of_which_something_was_predicted():
    names = ["sgd", "dropout", "small_batch", "he_init"]
    many = {name: {DATA_END: 0.1 * place} for place, name in enumerate(["baseline", *names])}
    assert PENALTY_LEFT not in write_answer(example_evidence(example_study(study=["baseline", *names]), many))
    assert PENALTY_LEFT in write_answer(example_evidence(example_study(study=names), many))
    study = layered_study("penalty")
    many = {name: {DATA_END: 0.1 * place} for place, name in enumerate(study.judged)}
    answer = write_answer(example_evidence(study, many))
    for name in study.judged:
        assert row_of(answer, PENALTY_LEFT, study.title(name))


def test_a_penalty_of_one_size_alone_is_compared_with_its_reference():
    study = example_study(study=["baseline", "sgd"])
    evidence = example_evidence(study, {"sgd": {DATA_END: 0.1}})
    ratios = evidence.tables["penalty_ratios"]
    alone = ratios[(ratios["circumstance"] != "sgd") | ratios["reference"].notna()]
    answer = write_answer(with_tables(evidence, penalty_ratios=alone))
    assert row_of(answer, PENALTY_LEFT, "SGD")[3:] == ["–", "–", "1.00 [1.00, 1.00] (baseline)"]


# Predictions and advice


def test_predictions_are_counted_by_kind():
    expected = section(write_answer(example_evidence(example_study(), AS_EXPECTED)), EXPECTED)
    assert expected == (
        "Written down before the runs and confirmed: 4 of 4 starts, 6 of 6 times, 4 of 4 ends and 4 of 4 contrasts. "
        "Undecided: none. Contradicted: none."
    )


def test_contradicted_predictions_are_told_by_feature():
    changes = AS_EXPECTED | {"no_l2": AS_EXPECTED["no_l2"] | {MIDWAY: 1.0, DATA_END: 0.4}}
    told = section(write_answer(example_evidence(example_study(), changes)), EXPECTED)
    assert told.splitlines()[1:] == [
        "- Data loss, steps to midway: expected falls, found rises, in no L2.",
        "- Data loss, end: expected falls, found rises, in no L2; expected flat, found rises, in no L2 against "
        "baseline.",
    ]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([], "none."),
        ([DATA_START], "1. It was expected flat, which needs"),
        ([DATA_START, REPORTED_START], "2. All were expected flat, which needs"),
        ([DATA_START, DATA_END], "2. Of these, 1 was expected flat, which needs"),
        ([DATA_START, REPORTED_START, DATA_END], "3. Of these, 2 were expected flat, which needs"),
        ([DATA_END], "1. Contradicted"),
    ],
)
def test_undecided_predictions_of_flatness_are_counted(features, words):
    study = example_study(study=["no_l2"])
    evidence = example_evidence(study, AS_EXPECTED, verdicts={("no_l2", *key): "undecided" for key in features})
    assert f"Undecided: {words}" in section(write_answer(evidence), EXPECTED)


def test_starts_that_are_guessing_by_construction_are_told_apart():
    by_construction = " by construction: the head starts at zero."
    assert by_construction not in write_answer(example_evidence(example_study(), AS_EXPECTED))
    for names, words in ((["zero_head"], "1 is"), (["zero_head", "high_learning_rate"], "2 are")):
        told = section(write_answer(example_evidence(example_study(study=["no_l2", *names]), {})), EXPECTED)
        assert f"Of the starts, {words} log(2){by_construction} Undecided:" in told


@settings(max_examples=10)
@given(data=st.data())
def test_every_prediction_is_confirmed_undecided_or_contradicted(data):
    study = example_study(study=["baseline", "no_l2", "fixed_std_init"])
    features = st.fixed_dictionaries(dict.fromkeys((REPORTED_START, REPORTED_END, DATA_END, MIDWAY), ENDS))
    changes = {name: data.draw(features) for name in study.judged}
    open_ones = [(name, *key) for name in study.judged for key in (REPORTED_START, DATA_END)]
    verdicts = dict.fromkeys(data.draw(st.sets(st.sampled_from(open_ones))), "undecided")
    evidence = example_evidence(study, changes, verdicts=verdicts)
    told = section(write_answer(evidence), EXPECTED)
    counts = [(int(held), int(count)) for held, count in re.findall(r"(\d+) of (\d+)", told.splitlines()[0])]
    undecided = re.search(r"Undecided: (\w+)[.,]", told)[1].replace("none", "0")
    contradicted = [
        subject
        for line in told.splitlines()[1:]
        for group in line.split("; ")
        for subject in re.split(r", | and ", group.rstrip(".").split(", in ")[1])
    ]
    assert sum(count for _, count in counts) == len(evidence.tested_predictions())
    assert sum(count - held for held, count in counts) == int(undecided) + len(contradicted)


@pytest.mark.parametrize(
    ("of_baseline", "undecided", "told"),
    [
        ((0.02, 0.04, 0.08), "none", []),
        (
            (0.04, 0.08, 0.48),
            "none",
            [
                r"Penalty, end, largest over smallest: expected 3 to 8, found 12\.00 \[11\.\d\d, 12\.\d\d\], in "
                r"baseline\.",
                r"Penalty, end: expected 1\.5 to 3, found 0\.33 \[0\.33, 0\.33\], in ten times the L2 over baseline; "
                r"expected 0\.8 to 1\.25, found 0\.17 \[0\.17, 0\.17\], in fixed standard deviation over baseline\.",
            ],
        ),
        ((0.01, 0.03, 0.08), "1", []),
    ],
)
def test_penalties_that_are_not_as_predicted_are_told(of_baseline, undecided, told):
    study = layered_study("penalty")
    twice, half_as_much_again = (0.04, 0.08, 0.16), (0.03, 0.06, 0.12)
    penalties = {"strong_l2": twice, "fixed_std_strong_l2": twice, "fixed_std_faster": half_as_much_again}
    expected = section(
        write_answer(example_evidence(study, {}, penalties=penalties | {"baseline": of_baseline})), EXPECTED
    )
    assert f"Undecided: {undecided}. Contradicted:" in expected
    found = [line for line in expected.splitlines() if line.startswith("- Penalty")]
    assert len(found) == len(told)
    for line, words in zip(found, told, strict=True):
        assert re.fullmatch(f"- {words}", line)


def test_no_advice_is_given_where_a_penalty_was_not_as_predicted():
    study = layered_study("penalty")
    changes = {name: {REPORTED_START: 0.1, REPORTED_END: 0.1, MIDWAY: -1.0} for name in study.judged}
    changes["strong_l2"] = {REPORTED_START: 0.2, REPORTED_END: 0.4}
    for penalties, held in (({"strong_l2": (0.04, 0.08, 0.16)}, True), ({}, False)):
        evidence = example_evidence(study, changes, penalties=penalties)
        assert all(found.held for found in evidence.predictions("strong_l2")) == held
        answer = write_answer(evidence)
        assert ("**Ten times the L2** (reported loss +0.400). Look for:" in answer) == held
        (withheld,) = re.findall(
            "^No advice on (.*): some prediction about that end was not confirmed\\.", answer, re.MULTILINE
        )
        assert ("ten times the L2" in re.split(", | and ", withheld)) != held


def test_advice_is_given_only_where_what_was_predicted_of_the_end_held():
    held = section(write_answer(example_evidence(example_study(), AS_EXPECTED)), ADVICE)
    assert re.search(
        r"^- \*\*No L2\*\* \(reported loss −0\.100 against baseline\)\. Look for: .* Change: .*\.$", held, re.MULTILINE
    )
    assert "No advice on" not in held
    later = AS_EXPECTED | {"no_l2": AS_EXPECTED["no_l2"] | {MIDWAY: 1.0}}
    assert section(write_answer(example_evidence(example_study(), later)), ADVICE) == held
    broken = AS_EXPECTED | {"no_l2": AS_EXPECTED["no_l2"] | {REPORTED_END: 0.1}}
    answer = write_answer(example_evidence(example_study(), broken))
    assert "**No L2**" not in answer
    withheld = "No advice on no L2: some prediction about that end was not confirmed."
    assert section(answer, "What to change") == f"{withheld} Of the others, no effect on an end is decided."
    assert ADVICE not in answer
    alone = example_evidence(example_study(study=["no_l2"]), {"no_l2": {REPORTED_END: 0.3, DATA_END: 0.3}})
    assert section(write_answer(alone), "What to change") == withheld


@pytest.mark.parametrize("measures", [["data_loss"], ["objective", "data_loss"]])
def test_no_advice_is_given_where_networks_diverge_against_what_was_predicted(measures):
    without_predictions_of_the_reported_loss = "he_no_batch_norm_fast_mup"
    diverging = ["no_l2", without_predictions_of_the_reported_loss]
    study = example_study(study=["baseline", "he_no_batch_norm", "he_no_batch_norm_fast", *diverging])
    evidence = example_evidence(study, {})
    assert "No advice on" not in write_answer(evidence)
    ends = f"circumstance in {diverging} and measure in {measures} and feature == 'end_value'"
    answer = write_answer(with_values(evidence, "contrasts", ends, verdict="diverged", agrees=False))
    withheld = f"No advice on {study.title('no_l2')} and {study.title(diverging[1])}: some prediction about that end"
    assert (
        f"## What to change\n\n{withheld} was not confirmed. Of the others, no effect on an end is decided.\n" in answer
    )
    assert ADVICE not in answer


@settings(max_examples=10)
@given(st.lists(st.tuples(ENDS, ENDS), min_size=4, max_size=4))
def test_advice_is_ranked_by_the_effect_on_the_end_where_there_is_one(ends):
    names = ["first", "second", "third"]
    study = study_of_others(*names)
    changes = {
        name: {REPORTED_END: reported, DATA_END: data}
        for name, (reported, data) in zip(study.judged, ends, strict=True)
    }
    answer = write_answer(example_evidence(study, changes))
    told = section(answer, ADVICE) if ADVICE in answer else ""
    given_on = re.findall(r"^- \*\*(\w+)\*\* \(\w+ loss ([+−]\d\.\d{3})(?: against baseline)?\)", told, re.MULTILINE)
    effects = [abs(float(effect.replace("−", "-"))) for _, effect in given_on]
    assert effects == sorted(effects, reverse=True)
    moves = {
        name
        for name in names
        for key in (REPORTED_END, DATA_END)
        if changes[name][key] > MARGIN or abs(changes[name][key] - changes["baseline"][key]) > MARGIN
    }
    assert {name.lower() for name, _ in given_on} - {"baseline"} == moves
    assert all(effect > MARGIN for effect in effects)


# How sure, and on what conditions


def test_few_seeds_or_sizes_are_called_an_indication():
    few = write_answer(example_evidence(example_study(), {}))
    indication = (
        f"This is an indication: a published verdict needs {PUBLISHED_SEEDS} seeds and {PUBLISHED_SIZES} sizes."
    )
    assert indication in few
    evidence = example_evidence(example_study(), {})
    enough = write_answer(with_values(evidence, "verdicts", "sizes > 0", sizes=PUBLISHED_SIZES))
    assert "indication" not in enough
    assert "two starts are decided at a level of 0.25% each and the two ends at 2.25% each" in enough
    assert (
        "200 initialisations of each size: 10 backbones (all layers but the head) as their replicates, with 20 heads "
        "each." in enough
    )


def test_what_does_not_remain_over_the_catalogue_is_named():
    evidence = example_evidence(example_study(), AS_EXPECTED)
    start = "measure == 'objective' and feature == 'starting_loss'"
    answer = write_answer(with_values(evidence, "verdicts", start, p_catalogue=0.2))
    assert "do not remain at 5% over all circumstances together (Holm): baseline, reported loss, start." in answer


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {},
            "- Baseline: Adam at 1e-5, lambda 1e-4 in the loss, Glorot's initialisation, BatchNorm, mini-batches of 8, "
            "3 epochs, unless a circumstance says otherwise. All posted settings are as in the post.\n",
        ),
        (
            {},
            "Each seed draws its own dataset, so intervals of ends cover the generator's draws; starts are measured on "
            "the first seed's.",
        ),
        ({"training": {"learning_rate": 1e-4}}, "- Baseline: Adam at 1e-4, lambda 1e-4 in the loss, "),
        (
            {"training": {"learning_rate": 1e-4}},
            "This study changes posted settings: `training.learning_rate` is 1e-4, not 1e-5.\n",
        ),
        ({"training": {"l2": 0}}, ". Left out, the same as their reference with these settings: no L2.\n"),
        ({"network": {"initialisation": "fixed_std"}}, "a fixed standard deviation of 0.05, BatchNorm, mini-batches"),
        (
            {"study": ["baseline", "fixed_std_init"], "network": {"initial_std": 0.02, "normalisation": "none"}},
            "Glorot's initialisation (where one standard deviation is fixed, it is 0.02), no BatchNorm, mini-batches",
        ),
    ],
)
def test_it_says_what_it_is_conditional_on(changed, words):
    answer = write_answer(example_evidence(example_study(**changed), {}))
    assert words in section(answer, "What this is conditional on")


def test_a_title_with_marks_of_markdown_is_shown_as_it_is():
    title = "a|b <i>c</i>\n\n# d"
    circumstances = {"no_l2": DEFAULTS["circumstances"]["no_l2"] | {"title": title}}
    study = example_study(circumstances=DEFAULTS["circumstances"] | circumstances)
    worse = {name: {REPORTED_END: 0.3, DATA_END: 0.3, DATA_START: 0.2} for name in study.judged}
    for changes in (AS_EXPECTED, worse, {}):
        evidence = example_evidence(study, changes)
        for text in (write_answer(evidence), write_evidence(evidence)):
            page = MarkdownIt("commonmark").enable("table").render(text)
            assert "a|b &lt;i&gt;c&lt;/i&gt; # d" in page
            assert "<i>" not in page
            assert page.count("<h1>") == 1
            for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
                assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("agreements", "words"),
    [
        (
            ["yes"],
            "1 published result that this study tests, it agrees with 1, disagrees with 0 and leaves 0 undecided",
        ),
        (
            ["yes", "no", "undecided", "undecided"],
            "4 published results that this study tests, it agrees with 1, disagrees with 1 and leaves 2 undecided",
        ),
    ],
)
def test_only_what_disagrees_with_the_literature_is_listed(agreements, words):
    row = {"claim": "degradation", "source": "He", "theirs": "rises", "ours": "flat", "shown_by": "x"}
    literature = make_table("literature", [row | {"agrees": agrees} for agrees in agreements])
    answer = write_answer(example_evidence(example_study(), {}, literature=literature))
    disagreement = " It disagrees with:\n- Degradation: rises (He); here: flat." if "no" in agreements else ""
    expected = f"Of {words}: [evidence.md](evidence.md).{disagreement}"
    assert section(answer, "Beside the literature") == expected
    assert "Beside the literature" not in write_answer(example_evidence(example_study(), {}))


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ([[], []], None),
        ([["attention.weight"], ["attention.weight"]], "leave out `attention.weight`."),
        ([["a"], ["a", "b", "c"]], "leave out `a`, `b` and `c`."),
        ([["a", "b", "c", "d", "e", "f"]], "leave out `a`, `b`, `c`, `d` and 2 others."),
    ],
)
def test_what_the_penalty_leaves_out_of_an_own_network_is_among_what_the_answer_holds_for(lists, words, tmp_path):
    study = example_study(dataset={"path": "mine.npz"}, training={"l2": 1e-4, "l2_as": "loss"})
    write_results(study, example_evidence(study, {}), tmp_path)
    (tmp_path / "data.json").write_text(json.dumps(DATASET))
    networks = {str(place): {"without_penalty": names} for place, names in enumerate(lists)}
    (tmp_path / "networks.json").write_text(json.dumps(networks))
    files = {"study": "study.json", "tables": "tables", "dataset": "data.json", "networks": "networks.json"}
    files |= {"markdown": "a.md", "evidence": "e.md"}
    run_program(write_answer_program, *(f"--{option}={tmp_path / file}" for option, file in files.items()))
    scope = section((tmp_path / "a.md").read_text(), "What this holds for")
    assert ("leave out" in scope) == (words is not None)
    assert not words or f"convolutions and linear layers alone: they {words}\n- " in scope


def test_the_program_writes_the_answer_and_the_evidence_as_text_and_pages(tmp_path):
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
    outputs = {"markdown": tmp_path / "a.md", "evidence": tmp_path / "e.md"}
    options = [f"--{kind}={path}" for kind, path in outputs.items()]
    subprocess.run([*command, f"--dataset={tmp_path}/data.json", *options], cwd=ROOT, check=True)
    assert outputs["markdown"].read_text().startswith("# Under which circumstances")
    assert "18 training cubes of 9 voxels a side in 2 classes" in outputs["markdown"].read_text()
    page = (tmp_path / "a.html").read_text()
    assert "<table>" in page
    assert page.count("<ul>") > 5  # each question's list follows its sentence at once
    evidence = outputs["evidence"].read_text()
    assert evidence.startswith("# Evidence")
    assert "## Penalties" in evidence
    assert "<h2>Penalties</h2>" in (tmp_path / "e.html").read_text()
    assert re.search(r"<title>.*raise the training loss\? \(\d+ runs, 2 circumstances\)</title>", page)
