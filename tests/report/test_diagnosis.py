"""The diagnosis of an own network, data or curves: what the contrasts say, ranked, and nothing that they do not."""

import copy
import itertools
import math
import random
import re
from dataclasses import replace

import judge_study
import pytest
import yaml
from example_study import (
    CONFIG,
    DEFAULTS,
    MARGIN,
    SCHEMA_KEYS,
    SEEDS,
    SIZES,
    example_evidence,
    section,
    with_tables,
    with_values,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_curves import write_curves
from markdown_it import MarkdownIt
from snakemake.utils import update_config

from widthwise.analysis.given_curves import tables_of_curves
from widthwise.analysis.tables import make_table
from widthwise.report.answer import write_answer
from widthwise.report.certainty import sample_words
from widthwise.report.evidence import Evidence, table_names, write_evidence
from widthwise.study.curves import CurvesStudy
from widthwise.study.curves_file import CurvesFile
from widthwise.study.plan import Study

REPORTED, DATA = ("objective", "end_value"), ("data_loss", "end_value")
START, DATA_START = ("objective", "starting_loss"), ("data_loss", "starting_loss")
ALL_SIZES = tuple(SIZES.values())
RISE = {REPORTED: 0.6, DATA: 0.2, START: 0.1}
OF_THE_POST = re.compile(r"\bpost(ed)?\b|question|Cross Validated|stackexchange", re.IGNORECASE)


def own_study(*names: str, **changed) -> Study:
    """A study of own data with the circumstances of config/studies/diagnose.yaml, or with these of them."""
    config = copy.deepcopy(DEFAULTS)
    update_config(config, yaml.safe_load((CONFIG / "studies/diagnose.yaml").read_text()))
    update_config(config, {"widths": [2, 8, 26], "seeds": SEEDS, "dataset": {"path": "mine.npz"}})
    update_config(config, {"training": {"l2": 1e-4, "l2_as": "loss", "learning_rate": 1e-3}})
    config["circumstances"]["deeper_drop"] = {
        "hypothesis": "Dropout.",
        "source": "A test.",
        "reference": "no_l2",
        "overrides": {"training": {"l2": 0}, "network": {"dropout": 0.5}},
    }
    update_config(config, changed | ({"study": ["baseline", *names]} if names else {}))
    return Study(config, SCHEMA_KEYS)


def changes(study: Study, **others) -> dict:
    """Every circumstance rises alike, except these."""
    return {name: others.get(name, RISE) for name in study.judged}


def tried(answer: str) -> list[str]:
    """The circumstances that what to change rests on."""
    return [title for line in remedies(answer) for title in re.findall(r"(?:\(tried: |As in: )(.*?)\)?\.$", line)]


def remedies(answer: str) -> list[str]:
    return section(answer, "What to change").splitlines() if "## What to change" in answer else []


def causes(answer: str) -> list[str]:
    """The ranked causes, with their shares."""
    return re.findall(r"^\d\. \*\*(.*?)\*\*", section(answer, "What explains the rise"), re.MULTILINE)


def opening(answer: str) -> str:
    return answer.split("\n\n")[1]


def curves_study(tmp_path, text: str, **changed) -> CurvesStudy:
    (tmp_path / "curves.csv").write_text(text)
    config = copy.deepcopy(DEFAULTS)
    update_config(config, {"curves": str(tmp_path / "curves.csv"), **changed})
    return CurvesStudy.of(config, SCHEMA_KEYS)


def csv_of(*columns: str, seeds=(0, 1), sizes=ALL_SIZES, circumstances=("baseline",)) -> str:
    """A CSV of loss curves with these columns, which all fall from 1 to 0.5."""
    rows = [
        {"circumstance": name, "parameters": size, "size": size, "seed": seed, "step": step, "loss": 1 - step / 128}
        | {"data_loss": 0.9 - step / 128, "penalty": 0.1}
        for name in circumstances
        for size in sizes
        for seed in seeds
        for step in range(0, 65, 4)
    ]
    return "\n".join([",".join(columns), *(",".join(str(row[column]) for column in columns) for row in rows)])


def test_a_rise_by_the_penalty():
    study = own_study()
    answer = write_answer(example_evidence(study, changes(study, no_l2={REPORTED: 0.2, DATA: 0.2})))
    title, first, *_ = answer.split("\n\n")
    assert title == "# Does your training loss rise with size, and why?"
    assert first.startswith(
        "**Yes: the larger the network, the higher its loss ends.** The reported loss ends at 0.700 "
    )
    assert "at 1.300 in the largest: +0.600 [+0.590, +0.610]." in first
    assert first.endswith("The penalty rises by 0.400: 67% of the rise.")
    assert "| penalty, end | 0.000 | 0.400 | +0.400 | – |" in answer
    explained = section(answer, "What explains the rise")
    assert causes(answer) == ["Penalty: 67%"]
    assert "With no L2 (`training.l2` 1e-4 → 0) the change with size is +0.200, not +0.600: −0.400" in explained
    assert "Noise: over 5 seeds the change is known to ±0.010, 2% of the rise." in explained
    assert remedies(answer) == [
        "1. Compare sizes by data loss, or scale lambda so that the penalty is alike at every size (tried: no L2)."
    ]
    assert "What could not be told" not in answer
    assert len(answer.splitlines()) < 120


def test_a_rise_by_the_rate_and_less_by_other_factors():
    study = own_study(training={"l2": 0})
    rise = {REPORTED: 0.4, DATA: 0.4}
    others = {
        "tenth_of_rate": {REPORTED: 0.1, DATA: 0.1},
        "third_of_rate": {REPORTED: 0.2, DATA: 0.2},
        "tenfold_rate": {REPORTED: 0.8, DATA: 0.8},
        "more_steps": {REPORTED: 0.3, DATA: 0.3},
    }
    evidence = example_evidence(study, {name: others.get(name, rise) for name in study.judged})
    answer = write_answer(evidence)
    assert opening(answer).endswith(" What explains most of it: learning rate (75%).")
    assert "penalty" not in answer.lower()
    explained = section(answer, "What explains the rise")
    assert causes(answer) == ["Learning rate: 75%", "Number of steps: 25%"]
    assert "Ten times the rate: the largest network ends higher, and is harmed more than the smaller ones." in explained
    lower = with_values(evidence, "contrasts", "circumstance == 'tenfold_rate'", at_largest_high=-0.1)
    helped = "Ten times the rate: the largest network ends lower, but gains less than the smaller ones."
    assert helped in section(write_answer(lower), "What explains the rise")
    assert tried(answer) == ["a tenth of the rate", "four times the steps"]


@pytest.mark.parametrize(
    ("at_largest", "words"),
    [
        ((-0.1, 0.1), "the loss rises less with size, or falls more; whether the largest ends lower is open"),
        ((0.1, 0.3), "the largest network ends higher, but is harmed less than the smaller ones"),
    ],
)
def test_a_factor_that_only_harms_small_networks_is_no_remedy(at_largest, words):
    study = own_study("no_l2", "tenth_of_rate")
    evidence = example_evidence(study, changes(study, tenth_of_rate={REPORTED: 0.1, DATA: 0.1}))
    low, high = at_largest
    contrasts = evidence.tables["contrasts"].assign(at_largest_low=low, at_largest_high=high)
    answer = write_answer(with_tables(evidence, contrasts=contrasts))
    assert "Learning rate" not in answer
    assert f" A tenth of the rate: {words}.\n" in answer
    assert "Divide the learning rate" not in answer


def test_a_penalty_that_rises_less_than_the_data_loss_comes_after_what_explains_more():
    study = own_study()
    baseline = {REPORTED: 0.5, DATA: 0.4}
    others = dict.fromkeys(study.judged, baseline) | {"tenth_of_rate": {REPORTED: 0.1, DATA: 0.0}}
    answer = write_answer(example_evidence(study, others))
    ranked = re.findall(r"^\d\. (.*)$", section(answer, "What explains the rise"), re.MULTILINE)
    assert ranked[0].startswith(
        "**Learning rate: 80%** of the rise of the reported loss, all of the rise of the data loss."
    )
    assert ranked[1].startswith("**Penalty: 20%**")
    # No contrast shows that without lambda the rise is smaller, so its text is not quoted.
    assert "2. Compare sizes by data loss, which the penalty is no part of." in section(answer, "What to change")


def test_a_data_loss_that_rises_under_a_penalty_that_falls():
    study = own_study()
    answer = write_answer(example_evidence(study, {name: {DATA: 0.3} for name in study.judged}))
    assert "**The data loss, not the reported loss, ends higher the larger the network is.**" in answer
    assert "Nothing that was tried explains it for certain." in answer
    assert "What to change" not in answer


@pytest.mark.parametrize(
    ("verdict", "first"),
    [
        ("falls", "**No: the larger the network, the lower its loss ends.**"),
        ("flat", "**No: the loss ends about the same at every size.**"),
        ("mixed", "**No clear answer: "),
        ("diverged", "**No answer: at some size every run diverged.**"),
        ("undecided", "**Undecided: these runs do not show whether larger networks end with a higher loss.**"),
    ],
)
def test_a_loss_that_does_not_rise(verdict, first):
    study = own_study()
    verdicts = {("baseline", measure, "end_value"): verdict for measure in ("objective", "data_loss")}
    higher = {"tenfold_rate": {REPORTED: 0.3, DATA: 0.3}}
    answer = write_answer(example_evidence(study, higher, verdicts=verdicts))
    assert opening(answer).startswith(first)
    assert opening(answer).endswith(
        " In larger networks the reported loss ends higher with ten times the rate (+0.300)."
    )
    assert ("about 12 seeds would halve the interval" in opening(answer)) == (verdict == "undecided")
    assert "| ten times the rate | `training.learning_rate` 1e-3 → 1e-2 | rises +0.300" in answer
    assert "What to change" not in answer
    assert "explains" not in answer


def test_where_nothing_rises_the_suspects_that_help_are_named():
    study = own_study("no_l2", "tenth_of_rate", "tenfold_rate")
    falling = {"baseline": -0.8, "no_l2": -0.8, "tenth_of_rate": -0.1, "tenfold_rate": -0.9}
    answer = write_answer(example_evidence(study, {name: {REPORTED: end, DATA: end} for name, end in falling.items()}))
    assert section(answer, "What each suspect does").splitlines()[0] == (
        "No L2: no difference, within the margin. "
        "A tenth of the rate: the largest network ends higher, and is harmed more than the smaller ones. "
        "Ten times the rate: the largest network ends lower, and gains more than the smaller ones."
    )


@pytest.mark.parametrize(("change", "way"), [(0.3, "higher"), (-0.3, "lower")])
def test_a_trend_that_some_size_goes_against(change, way):
    study = own_study("no_l2", "warm_up")
    verdicts = {("baseline", measure, "end_value"): "undecided" for measure in ("objective", "data_loss")}
    found = {name: {REPORTED: change, DATA: change} for name in study.judged} | {"warm_up": {}}
    evidence = example_evidence(study, found, verdicts=verdicts)
    answer = write_answer(with_values(evidence, "contrasts", "circumstance == 'warm_up'", verdict="undecided"))
    why = "(the sizes do not go one way)"
    assert f"**Undecided: larger networks end {way} as a trend, but the sizes do not go one way.**" in answer
    assert f"], undecided {why}." in answer.split("\n\n")[1]
    assert f"- The effect is undecided {why}: a warm-up." in section(answer, "What could not be told")
    assert "halve the interval" not in answer


@pytest.mark.parametrize(
    ("diverged", "words"),
    [
        ([5, 5], "The data loss has diverged in the smallest network and has diverged in the largest"),
        ([0, 5], "The data loss ends at 0.700 in the smallest network and has diverged in the largest"),
        ([2, 0], "has diverged in 2 of 5 runs of the smallest network and ends at 0.700 in the largest"),
        ([0, 0], "The data loss ends at 0.700 in the smallest network and at 0.700 in the largest"),
    ],
)
def test_a_size_that_diverged_has_no_end(diverged, words):
    study = own_study("tenth_of_rate", training={"l2": 0})
    evidence = example_evidence(study, {}, verdicts={("baseline", *DATA): "diverged"})
    for size, runs in zip(("width2", "width26"), diverged, strict=True):
        evidence = with_values(evidence, "features", f"size == '{size}'", diverged=runs)
    if any(diverged):
        evidence = with_values(evidence, "verdicts", "circumstance == 'baseline'", change=math.nan)
    answer = write_answer(evidence)
    end = "." if any(diverged) else ": 0.000 [−0.010, +0.010]."
    assert f"{words}{end}" in answer.split("\n\n")[1]


def test_a_slight_rise_is_called_hardly_any():
    study = own_study("no_l2")
    evidence = example_evidence(study, changes(study))
    answer = write_answer(with_values(evidence, "verdicts", "verdict == 'rises'", slight=True))
    assert "**Hardly: larger networks end slightly higher.**" in answer


def test_what_could_not_be_told():
    study = own_study("no_l2", "warm_up", "tenth_of_rate")
    evidence = example_evidence(study, changes(study), settled=False)
    evidence = with_values(evidence, "contrasts", "circumstance == 'no_l2'", verdict="mixed")
    evidence = with_values(evidence, "contrasts", "circumstance == 'warm_up'", verdict="undecided")
    lost = "circumstance == 'tenth_of_rate' and size == 'width26' and seed < 2"
    evidence = with_values(evidence, "runs", lost, diverged=True)
    assert section(write_answer(evidence), "What could not be told").splitlines() == [
        "- The effect depends on the size: no L2.",
        "- The effect is undecided (about 12 seeds would halve the interval): a warm-up.",
        "- What these would change was not tried: initialisation, number of steps and epsilon. "
        "To try them, add to `study`: `he_init`, `more_steps` and `larger_epsilon`.",
        "- How the loss ends at 2.61 M parameters with a tenth of the rate: 2 of 15 runs diverged.",
        "- What longer runs reach: every size still moving.",
    ]


def test_what_is_not_compared_with_the_own_settings_explains_nothing():
    study = own_study("no_l2", "deeper_drop")
    rise = {REPORTED: 0.4, DATA: 0.4}
    answer = write_answer(example_evidence(study, {"baseline": rise, "no_l2": rise}))
    assert opening(answer).endswith("Nothing that was tried explains it for certain.")
    assert not causes(answer) + remedies(answer)
    explained = section(answer, "What explains the rise")
    assert "Deeper drop against no L2: the largest network ends lower, and gains more than the smaller" in explained
    assert (
        "| deeper drop against no L2 | `network.dropout` 0 → 0.5 | falls −0.400 [−0.410, −0.390] | falls −0.400 "
        "[−0.410, −0.390] |" in explained
    )


def test_a_catalogue_without_remedies_is_not_quoted():
    catalogue = own_study(study=["baseline", "no_l2", "small_batch"], circumstances=DEFAULTS["circumstances"])
    found = {"baseline": RISE, "no_l2": {REPORTED: 0.2, DATA: 0.2}}
    assert remedies(write_answer(example_evidence(catalogue, found))) == [
        "1. As in: small batch.",
        "2. Compare sizes by data loss, which the penalty is no part of.",
    ]


def test_a_title_with_marks_of_markdown_is_shown_as_it_is():
    marked = {"title": "a|b <i>c</i>\n\n# d"}
    study = own_study("no_l2", "tenth_of_rate", circumstances={"no_l2": marked, "tenth_of_rate": marked})
    for end in (0.2, 0.6, 0.9):
        found = changes(study, no_l2={REPORTED: end, DATA: end}, tenth_of_rate={REPORTED: 0.1, DATA: 0.1})
        page = MarkdownIt("commonmark").enable("table").render(write_answer(example_evidence(study, found)))
        assert "a|b &lt;i&gt;c&lt;/i&gt; # d" in page
        assert "<i>" not in page
        assert page.count("<h1>") == 1


def test_nothing_is_said_of_the_post():
    study = own_study()
    for evidence in (example_evidence(study, changes(study)), example_evidence(study, {}, settled=False)):
        assert not OF_THE_POST.search(write_answer(evidence))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_whatever_the_tables_say_it_is_one_page_and_advises_only_what_helped(data):
    study = own_study()
    ends = {REPORTED: st.floats(-1, 1), DATA: st.floats(-1, 1)}
    found = {name: data.draw(st.fixed_dictionaries(ends)) for name in study.judged}
    answer = write_answer(example_evidence(study, found, settled=data.draw(st.booleans())))
    assert len(answer.splitlines()) < 120
    assert not OF_THE_POST.search(answer)
    rising = next((end for end in ends if found["baseline"][end] > MARGIN), None)
    assert ("## What explains the rise" in answer) == (rising is not None)
    names = {study.title(name): name for name in study.judged}
    for title in tried(answer):
        assert found[names[title]][rising] < found["baseline"][rising] - MARGIN
    typed = answer.split("add to `study`: ")[1].split(".\n")[0] if "add to `study`" in answer else ""
    assert not set(re.findall("`(.*?)`", answer.replace(typed, ""))) & set(study.config["circumstances"])


def test_it_says_what_it_holds_for():
    evidence = example_evidence(own_study("no_l2"), {})
    scope = section(write_answer(evidence), "What this holds for")
    assert "- The built-in network with Adam at 1e-3, lambda 1e-4 in the loss, Glorot's initialisation" in scope
    assert ", BatchNorm, mini-batches of 8, 3 epochs. `study.json` has every setting.\n" in scope
    assert "30 runs: 3 sizes of 15.7 k to 2.61 M parameters, 5 seeds, 288 steps." in scope
    assert scope.endswith("cubes of 25 voxels a side in 2 classes: intervals cover seeds, not other data.")
    noted = evidence.dataset | {"notes": ["there is no test split: val is the test split", "Classes are numbered."]}
    scope = section(write_answer(replace(evidence, dataset=noted)), "What this holds for")
    assert scope.endswith("\n- There is no test split: val is the test split.\n- Classes are numbered.")


def test_an_own_study_tells_the_start_and_how_much_of_it_is_penalty():
    study = own_study("no_l2")
    answer = write_answer(example_evidence(study, changes(study, baseline={START: 0.93, DATA_START: 0.068})))
    table = answer.split("## ")[0]
    assert "| your settings | smallest (15.7 k) | largest (2.61 M) |" in table
    assert "| reported loss, start | 0.700 | 1.630 | +0.930 [+0.920, +0.940] | rises |" in table
    assert "| data loss, start | 0.700 | 0.768 | +0.068 [+0.058, +0.078] | rises |" in table
    assert "| penalty, start | 0.000 | 0.862 | +0.862 | – |" in table
    assert "The start is the mean over untrained networks; the end is the mean over the last 10% of the steps." in table
    told = section(answer, "Start, time and crossing").splitlines()
    assert told[0] == "- **Does it start higher?** Yes: in larger networks the data loss starts higher (0.700 → 0.768)."
    assert [line.split("**")[1] for line in told] == [
        "Does it start higher?",
        "Does it just take longer?",
        "Is it stuck?",
        "Would the largest win later?",
    ]


def test_suspects_that_the_settings_already_are_are_not_missed():
    study = own_study("no_l2", "glorot_init", training={"l2": 0, "optimiser": "sgd"})
    answer = write_answer(example_evidence(study, changes(study)))
    scope = section(answer, "What this holds for")
    assert "- The built-in network with SGD at 1e-3, no L2, " in scope
    assert "Already part of them, so not run: no L2 and Glorot's initialisation." in scope
    untold = section(answer, "What could not be told")
    assert "was not tried: learning rate, initialisation, number of steps and warm-up. To try them, add to" in untold
    assert "`he_init`, `more_steps` and `warm_up`." in untold  # and not glorot_init, which the settings already are


def test_the_file_of_suspects_is_named_where_the_catalogue_lacks_them():
    others = ("no_l2", "tenth_of_rate", "he_init", "warm_up", "larger_epsilon")
    for names, missing in ((others[:3], "number of steps, warm-up and epsilon"), (others, "number of steps")):
        study = own_study(*names, circumstances={"more_steps": None})
        untold = section(write_answer(example_evidence(study, changes(study))), "What could not be told")
        assert f"not tried: {missing}. `config/studies/diagnose.yaml` tries them." in untold


def test_every_suspect_that_was_taken_out_of_the_study_is_named():
    everything = own_study()
    untold = section(write_answer(example_evidence(own_study(study=["baseline"]), {})), "What could not be told")
    named = set(re.findall(r"`(\w+)`", untold.split("add to `study`: ")[1].split(".")[0]))
    assert named >= set(everything.judged) - {"baseline"}
    assert not named & {"random_labels", "strong_l2", *everything.left_out}


def test_settings_that_already_are_the_suspect_are_not_called_untried():
    study = own_study(study=["baseline"], training={"warmup_steps": 100})
    untold = section(write_answer(example_evidence(study, {})), "What could not be told")
    assert "not tried: penalty, learning rate, initialisation, number of steps and epsilon. To" in untold


def test_suspects_that_ran_without_their_reference_are_not_called_untried():
    study = own_study(study=["tenth_of_rate", "warm_up"])
    untold = section(write_answer(example_evidence(study, {})), "What could not be told")
    assert "not tried: penalty, initialisation, number of steps and epsilon. `config/studies" in untold


def test_an_own_network_is_named(tmp_path):
    (tmp_path / "net.py").write_text("def build(width, *, classes, shape): ...\n")
    study = own_study("no_l2", "he_init", network={"factory": f"{tmp_path}/net.py:build"})
    answer = write_answer(example_evidence(study, changes(study)))
    assert (
        f"- The network of `{tmp_path}/net.py:build` with Adam at 1e-3, lambda 1e-4 in the loss, mini-batch" in answer
    )
    assert "`network.initialisation` as_built → he" in answer
    assert "Starts rest on 50 initialisations of each size, which are their replicates." in answer
    assert "added weights at zero" not in answer
    assert "added weights at zero" in write_answer(example_evidence(own_study("no_l2"), {}))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([2, 100], "series of 100 points in 2 channels"),
        ([1, 28, 28], "images of 28 x 28 pixels"),
        ([3, 32, 24], "images of 32 x 24 pixels in 3 channels"),
        ([1, 9, 9, 9], "cubes of 9 voxels a side"),
        ([1, 9, 10, 11], "volumes of 9 x 10 x 11 voxels"),
    ],
)
def test_samples_are_called_after_their_axes(shape, words):
    assert sample_words(shape) == words


# Loss curves


def test_curves_of_several_seeds_are_judged_without_causes(tmp_path):
    columns = ("parameters", "seed", "step", "loss", "data_loss", "penalty")
    study = curves_study(tmp_path, csv_of(*columns), classes=10)
    evidence = replace(example_evidence(study, {"baseline": RISE}), dataset=None)
    answer = write_answer(evidence)
    assert "**Yes: the larger the network, the higher its loss ends.**" in answer
    assert "The penalty rises by 0.400: 67% of the rise." in answer
    assert "Guessing costs log(10) = 2.303 nats." in answer
    assert (
        "The start is the first row that all runs have; the end is the mean over the last 10% of the steps." in answer
    )
    assert "1. **Penalty: 67%** of the rise of the reported loss. By arithmetic" in answer
    untold = section(answer, "What could not be told")
    assert "- Which setting causes a rise: curves do not tell. `config/studies/diagnose.yaml` tries" in untold
    assert "Starts rest on the same seeds." in answer
    assert "curves.csv`. 6 runs: 3 sizes of 15.7 k to 2.61 M parameters, 2 seeds, 288 steps." in answer
    assert not OF_THE_POST.search(answer)
    assert len(answer.splitlines()) < 120
    assert write_evidence(evidence).startswith("# Evidence")


def test_curves_with_circumstances_are_compared_as_they_are_named(tmp_path):
    columns = ("circumstance", "parameters", "seed", "step", "loss", "data_loss")
    study = curves_study(tmp_path, csv_of(*columns, circumstances=("baseline", "slow_rate")))
    evidence = replace(example_evidence(study, {"baseline": RISE, "slow_rate": {REPORTED: 0.4}}), dataset=None)
    explained = section(write_answer(evidence), "What explains the rise")
    assert (
        "2. **Slow rate: 33%** of the rise of the reported loss, all of the rise of the data loss. With slow rate the"
        in explained
    )
    assert "| suspect | reported loss, end | data loss, end |" in explained


def test_curves_without_the_data_loss_are_not_split(tmp_path):
    study = curves_study(tmp_path, csv_of("parameters", "seed", "step", "loss"))
    evidence = replace(example_evidence(study, {"baseline": RISE}), dataset=None)
    known = {
        name: table[table["measure"] == "objective"] for name, table in evidence.tables.items() if "measure" in table
    }
    answer = write_answer(with_tables(evidence, **known))
    assert "The reported loss ends at 0.700" in answer
    assert "| data loss" not in answer
    assert "| penalty" not in answer
    assert "What explains the rise" not in answer
    assert "data loss and penalty cannot be told apart" in section(answer, "What could not be told")


def test_sizes_that_are_no_parameters_are_called_sizes(tmp_path):
    study = curves_study(tmp_path, csv_of("size", "seed", "step", "loss", "data_loss", sizes=(16, 64, 1024)))
    evidence = replace(example_evidence(study, {"baseline": RISE}, settled=False), dataset=None)
    tables = {
        name: table.replace({"parameters": dict(zip(ALL_SIZES, (16, 64, 1024), strict=True))})
        for name, table in evidence.tables.items()
    }
    tables["crossings"] = tables["crossings"].assign(smaller=16, larger=1024)
    runs = tables["runs"] = tables["runs"].assign(size=lambda rows: rows["parameters"].astype(str))
    tables["features"] = tables["features"].assign(size=lambda rows: rows["parameters"].astype(str))
    ends = (tables["features"]["size"] != "1024") & (tables["features"]["feature"] == "end_value")
    tables["features"].loc[ends, "plateau"] = "settled"
    for diverged, where in (([1024], "size 1024"), ([64, 1024], "sizes 64 and 1024")):
        runs["diverged"] = runs["parameters"].isin(diverged) & (runs["seed"] == 0)
        answer = write_answer(replace(evidence, tables=tables))
        assert f"- How the loss ends at {where} with baseline: {len(diverged)} of 6 runs diverged." in answer
        assert "smallest (16) | largest (1024)" in answer
        assert "What longer runs reach: sizes 16 and 64 settled, size 1024 still moving." in answer
        assert "3 sizes of 16 to 1024, 2 seeds" in answer
        assert "| 1024 | 16 |" in write_evidence(replace(evidence, tables=tables))
        assert " parameters" not in answer.split("## What could not be told")[0]


def test_one_seed_and_two_sizes_are_described(tmp_path):
    columns = ("parameters", "seed", "step", "loss", "data_loss")
    one_seed = curves_study(tmp_path, csv_of(*columns, seeds=(0,)))
    two_sizes = curves_study(tmp_path, csv_of(*columns, sizes=(15_708, 2_613_444)))
    for study, few in ((one_seed, "One seed"), (two_sizes, "Too few sizes")):
        evidence = replace(example_evidence(study, {"baseline": RISE}), dataset=None)
        tables = dict(evidence.tables)
        if study is two_sizes:
            tables["verdicts"], tables["contrasts"] = (make_table(name, []) for name in ("verdicts", "contrasts"))
        answer = write_answer(replace(evidence, tables=tables))
        opening = answer.split("\n\n")[1]
        assert opening.startswith(f"**{few}: nothing is judged. This is what the curves show.** The reported loss ends")
        assert "at 1.300 in the largest: +0.600. The data loss" in opening
        assert "| penalty, end | 0.000 | 0.400 | +0.400 |" in answer
        assert not re.search(r"\bundecided\b|\[\+|rises", answer)


# From loss curves to the answer

WITHOUT_PENALTY, WITHOUT_RISE = (0.0, 0.0, 0.0, 0.0), (0.05, 0.05, 0.05, 0.05)
RISING = (0.05, 0.15, 0.25, 0.35)


def answer_on_curves(tmp_path, ends, *, penalties=None, start_rises=0.0, lost=(), seeds=3, skipped=()) -> str:
    """The answer on made-up curves of up to 4 sizes, of which the judging is not made up.

    Args:
        tmp_path: a folder.
        ends: circumstance -> the data loss at the end, by size.
        penalties: circumstance -> the penalty, by size; in place of none.
        start_rises: by how much each size's start is above that of the size before.
        lost: circumstance, size and seed of the runs that diverge midway.
        seeds: how many.
        skipped: circumstances and sizes that were not run.
    """
    rows = []
    for name, rank, seed in itertools.product(ends, range(4), range(seeds)):
        if (name, rank) in skipped:
            continue
        noise = random.Random(f"{name}, {rank}, {seed}")
        start, end = (loss + noise.uniform(-0.003, 0.003) for loss in (0.7 + start_rises * rank, ends[name][rank]))
        penalty = (penalties or {}).get(name, WITHOUT_PENALTY)[rank] * noise.uniform(0.99, 1.01)
        for step in range(0, 201, 20):
            loss = penalty + end + (start - end) * math.exp(-step / 20)
            is_lost = (name, rank, seed) in lost and step >= 100
            row = {"circumstance": name, "parameters": 100 * 4**rank, "size": 8 * 2**rank, "seed": seed, "step": step}
            rows.append(row | {"loss": math.nan if is_lost else loss, "penalty": penalty})
    columns = [column for column in rows[0] if penalties or column != "penalty"]
    config = copy.deepcopy(DEFAULTS)
    update_config(config, {"curves": str(write_curves(tmp_path / "c.csv", rows, columns)), "classes": 10})
    study = CurvesStudy.of(config, SCHEMA_KEYS)
    tables = tables_of_curves(CurvesFile.read(study.curves), study.analysis, study.classes)
    tables |= judge_study.judge(study, tables)
    return write_answer(Evidence(study, None, {name: tables[name] for name in table_names(study)}))


def test_a_cause_explains_the_diagnosed_rise_alone(tmp_path):
    steeper = tuple(3 * end for end in RISING)
    ends = {"baseline": RISING, "fixed_std_init": steeper, "fixed_std_no_l2": WITHOUT_RISE}
    answer = answer_on_curves(tmp_path, ends)
    assert re.search(r" \+0\.(30|29)\d \[.*\]\. Nothing that was tried explains it for certain\.$", opening(answer))
    assert not causes(answer) + remedies(answer)
    assert "| fixed standard deviation without L2 against fixed standard deviation | falls −0." in answer


def test_the_largest_part_is_not_called_most_of_a_rise(tmp_path):
    slower = (0.05, 0.13, 0.21, 0.29)
    answer = answer_on_curves(tmp_path, {"baseline": RISING, "wider_batch": slower})
    assert re.search(r" The largest part of it that was explained: wider batch \((19|2\d)%\)\.$", opening(answer))
    assert remedies(answer) == ["1. As in: wider batch."]


def test_a_penalty_of_curves_is_ranked_once(tmp_path):
    ends, penalties = {"baseline": WITHOUT_RISE, "no_l2": WITHOUT_RISE}, {"baseline": RISING}
    answer = answer_on_curves(tmp_path, ends, penalties=penalties)
    assert causes(answer) == ["Penalty: all"]
    assert "With no L2 the change with size is " in section(answer, "What explains the rise")
    assert remedies(answer) == ["1. Compare sizes by data loss, which the penalty is no part of."]


@pytest.mark.parametrize(
    ("penalties", "headline"),
    [
        ((0.35, 0.25, 0.15, 0.05), "The data loss, not the reported loss, ends higher the larger the network is."),
        (
            (0.0, 0.5, 0.05, 0.0),
            "The data loss ends higher the larger the network is; the reported loss ends higher at some sizes and "
            "lower at others.",
        ),
    ],
)
def test_a_data_loss_that_rises_beside_a_reported_loss_that_does_not(tmp_path, penalties, headline):
    answer = answer_on_curves(tmp_path, {"baseline": RISING}, penalties={"baseline": penalties})
    assert opening(answer).startswith(f"**{headline}**")


def test_a_suspect_that_stops_a_divergence_is_credited(tmp_path):
    ends = {"baseline": RISING, "slower": WITHOUT_RISE, "faster": RISING}
    penalties = {"baseline": RISING, "slower": RISING, "faster": RISING}
    all_of_faster = {("faster", 3, seed) for seed in range(7)}
    most, every = ({("baseline", 3, seed) for seed in range(runs)} for runs in (6, 7))
    answer = answer_on_curves(tmp_path, ends, penalties=penalties, lost=most | all_of_faster, seeds=7)
    assert opening(answer).startswith("**Yes: the larger the network, the higher its loss ends.**")
    assert "No run diverged with slower. What explains most of it: slower (at least 8" in opening(answer)
    (cause,) = causes(answer)
    assert re.fullmatch(r"Slower: at least 8\d%", cause)
    explained = section(answer, "What explains the rise")
    assert re.search(r"the change with size is \+0\.\d+, not \+\d\.\d+ at least: −\d\.\d+ \[−∞, −\d", explained)
    assert re.search(r"^\| slower \| falls by at least −.* \(at least 8\d%\) \|", explained, re.MULTILINE)
    # Differences of bounds are told neither as a penalty nor as noise.
    assert "penalty, start" in answer
    assert "penalty, end" not in answer
    assert "Noise" not in answer
    assert "- Unknown, since networks diverge: faster." in section(answer, "What could not be told")
    answer = answer_on_curves(tmp_path, ends, penalties=penalties, lost=every, seeds=7)
    assert opening(answer).startswith("**No answer: at some size every run diverged.**")
    assert "No run diverged with faster and slower." in opening(answer)
    better = "Faster and slower: the largest network ends lower, and gains more than the smaller ones."
    assert better in section(answer, "What each suspect does")


def test_what_was_not_compared_is_named(tmp_path):
    names = ("baseline", "other", "fixed_std_init", "fixed_std_no_l2")
    few = {("other", 0)} | {(name, rank) for name in names[2:] for rank in (0, 1)}
    answer = answer_on_curves(tmp_path, dict.fromkeys(names, RISING), skipped=few)
    assert section(answer, "What could not be told").splitlines()[:2] == [
        "- Unknown, since sizes are not those of baseline: fixed standard deviation and other.",
        "- Unknown, since a verdict needs 3 sizes: fixed standard deviation without L2.",
    ]


def test_curves_without_own_settings_are_named_with_their_verdicts(tmp_path):
    ends = {"adam": RISING, "lion": WITHOUT_RISE, "rmsprop": RISING[::-1]}
    answer = answer_on_curves(tmp_path, ends)
    assert opening(answer).startswith("**Yes: the larger the network, the higher its loss ends with adam.**")
    others = (
        r" In larger networks the reported loss ends about the same with lion \(.*\); it ends lower with rmsprop \(−0"
    )
    assert re.search(others, opening(answer))


def test_only_ends_of_curves_are_tested_together(tmp_path):
    for ends, words in ((WITHOUT_RISE, "No end rises or falls."), (RISING, "All rises and falls of ends remain at 5%")):
        answer = answer_on_curves(tmp_path, {"baseline": ends}, start_rises=0.1)
        assert re.search(r"^\| reported loss, start \|.* rises \|$", answer, re.MULTILINE)
        assert f"- {words}" in section(answer, "How sure")
