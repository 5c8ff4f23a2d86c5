"""Checking a configuration: every error is one line that names the key, what was given, and what is allowed."""

import copy
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import SCHEMA, changed, default_config, errors_of, study_with

from widthwise.study.configuration import with_defaults, without_nulls
from widthwise.study.plan import Study, StudyError
from widthwise.study.settings import plain

STUDY = ["baseline", "no_l2", "small_batch", "deep_plain", "learning_rates"]
CLAIM = {"claim": "a", "source": "b", "theirs": "c", "expected": "rises"}
DATE = datetime.date(2024, 1, 1)
VERDICT = {"verdict": {"circumstance": "no_l2", "measure": "data_loss", "feature": "end_value"}}
ENTRY = {"hypothesis": "a", "source": "b", "expectation": {"data_loss": {"end_value": "falls"}}}
HUGE = 10**40


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "training.learnin_rate",
            0.1,
            "training.learnin_rate: unknown key, given 0.1; did you mean learning_rate? allowed: optimiser, ",
        ),
        ("widht", 3, "widht: unknown key, given 3; did you mean widths? allowed: pathvars, device, dataset, "),
        ("training.epochs", "ten", 'training.epochs: given "ten"; allowed: an integer at least 2'),
        ("training.epochs", 1, "training.epochs: given 1; allowed: an integer at least 2"),
        ("widths", [2, -3, 5], "widths.1: given -3; allowed: an integer at least 1"),
        ("widths", 8, "widths: given 8; allowed: a list of at least 3 entries"),
        ("widths", [2, 8], "widths: given [2, 8]; allowed: a list of at least 3 entries"),
        ("widths", [], "widths: given []; allowed: a list of at least 3 entries"),
        ("widths", [2, 3, 2.0], "widths: given 2 more than once; allowed: each once"),
        ("seeds", [0, 1, 1], "seeds: given 1 more than once; allowed: each once"),
        ("seeds", [4], "seeds: given [4]; allowed: a list of at least 2 entries"),
        ("seeds", [0, -1], "seeds.1: given -1; allowed: an integer at least 0 and at most 2147483647"),
        ("seeds", [0, 2**31], "seeds.1: given 2147483648; allowed: an integer at least 0 and at most 2147483647"),
        ("seeds", [0, HUGE], f"seeds.1: given {HUGE}; allowed: an integer at least 0 and at most 2147483647"),
        (
            "seeds",
            [0, 1e300],
            "seeds.1: given 100000000000000005250476025520442024870446858110815915491...; allowed: an ",
        ),
        ("dataset.seed", HUGE, f"dataset.seed: given {HUGE}; allowed: an integer at least 0 and at most "),
        ("study", ["baseline", "baseline"], 'study: given "baseline" more than once; allowed: each once'),
        (
            "training.learning_rate",
            "1e-5",
            'training.learning_rate: given "1e-5"; allowed: a number above 0 (YAML reads 1e-5 as text: write 1.0e-5)',
        ),
        (
            "training.l2",
            "25e-6",
            'training.l2: given "25e-6"; allowed: a number at least 0 (YAML reads 25e-6 as text: write 2.5e-5)',
        ),
        ("widths", ["2", 3, 5], 'widths.0: given "2"; allowed: an integer at least 1 (text: write 2 without quotes, '),
        ("training.l2", 10**400, "training.l2: given 1000000000000000000000000000000000000000"),
        ("training.epochs", HUGE, f"training.epochs: given {HUGE}; allowed: an integer at least 2 and at most "),
        (
            "network.stages",
            [1, 10**9],
            "network.stages.1: given 1000000000; allowed: an integer at least 1 and at most ",
        ),
        ("training.l2", float("nan"), "training.l2: given NaN; allowed: a finite number"),
        ("training.l2", float("inf"), "training.l2: given Infinity; allowed: a finite number"),
        ("training.l2", "nan", 'training.l2: given "nan"; allowed: a number at least 0'),
        ("network.options", {"x": [float("nan")]}, "network.options.x.0: given NaN; allowed: a finite number"),
        ("training.batch_size", True, "training.batch_size: given true; allowed: an integer at least 2"),
        ("training.betas", [0.9], "training.betas: given [0.9]; allowed: a list of at least 2 entries and of at "),
        ("network.residual", "yes", 'network.residual: given "yes"; allowed: '),
        ("training", 3, "training: given 3; allowed: a mapping of keys to values"),
        ("network.initialisation", "xavier", 'network.initialisation: given "xavier"; allowed: glorot, he, '),
        ("network.kernel_size", 4, "network.kernel_size: given 4; allowed: 1, 3, 5, 7"),
        ("evaluation.row_interval", 0, "evaluation.row_interval: given 0; allowed: an integer at least 1"),
        ("evaluation.per_epoch", 2, "evaluation.per_epoch: unknown key, given 2; allowed: row_interval, starting_"),
        (
            "analysis.initialisations",
            1,
            "analysis.initialisations: given 1; allowed: an integer at least 2 and at most ",
        ),
        ("circumstances.baseline.hypothesis", None, "circumstances.baseline.hypothesis: missing, and has no default"),
        (
            "circumstances.baseline.expectation.objective.end_value",
            "higher",
            'circumstances.baseline.expectation.objective.end_value: given "higher"; allowed: rises, falls, ',
        ),
        (
            "circumstances.baseline.expectation.objective.ending",
            "rises",
            'circumstances.baseline.expectation.objective.ending: unknown key, given "rises"; ',
        ),
        (
            "circumstances.no_l2.overrides.training.l_2",
            0,
            "circumstances.no_l2.overrides.training.l_2: unknown key, given 0; did you mean l2? allowed: ",
        ),
        (
            "circumstances.deep_plain.depths",
            [8, 14],
            "circumstances.deep_plain.depths: given [8, 14]; allowed: a list of at least 3 entries",
        ),
        ("circumstances.No L2", ENTRY, "circumstances.No L2: not a name; allowed: lower-case letters, digits and _"),
        ("claims.No L2", CLAIM | VERDICT, "claims.No L2: not a name; allowed: lower-case letters, digits and _"),
        (
            "claims.two_kinds",
            CLAIM | VERDICT | {"best_rate": {"grid": "learning_rates"}},
            'claims.two_kinds: {"claim": "a", "source": "b", "theirs": "c", "expected": ... given; write exactly '
            "one of verdict, contrast, best_rate, order_at_rates, coordinates, time_lapse",
        ),
        (
            "claims.no_kind",
            CLAIM,
            'claims.no_kind: {"claim": "a", "source": "b", "theirs": "c", "expected": ... given; write exactly '
            "one of verdict, contrast, best_rate, order_at_rates, coordinates, time_lapse",
        ),
        (
            "claims.bad",
            CLAIM | {"verdict": VERDICT["verdict"] | {"measure": "loss"}},
            'claims.bad.verdict.measure: given "loss"; allowed: objective, data_loss, printed',
        ),
        (
            "claims.bad",
            CLAIM | {"verdict": VERDICT["verdict"] | {"measure": "printed", "feature": "steps_to_midway"}},
            "claims.bad.verdict.steps_to_midway: not judged of this loss; write one of starting_loss, initial_decay, ",
        ),
        (
            "claims.bad",
            CLAIM | {"verdict": VERDICT["verdict"] | {"circumstance": "no_l1"}},
            "claims.bad.verdict.circumstance: unknown circumstance 'no_l1'; did you mean no_l2? allowed: ",
        ),
        (
            "claims.bad",
            CLAIM | {"expected": "falls", "best_rate": {"grid": "learning_rates", "less": "learning_rate"}},
            "claims.bad.best_rate.less: unknown circumstance 'learning_rate'; did you mean learning_rates? allowed: ",
        ),
        ("training", {True: 1}, "training.true: a key that YAML does not read as text; write it in quotes"),
        ("circumstances", {2024: ENTRY}, "circumstances.2024: a key that YAML does not read as text; write it in "),
        ("network.options", {1: 2, "norm": 3}, "network.options.1: a key that YAML does not read as text; write it "),
        (
            "circumstances.baseline.source",
            DATE,
            "circumstances.baseline.source: 2024-01-01 given, which YAML reads as a date; write it in quotes",
        ),
        ("pathvars.results", "~nobody_x/a", "pathvars.results: ~nobody_x/a given; write a path that does not begin "),
    ],
)
def test_an_error_is_one_line_with_key_given_and_allowed(key, value, line):
    errors = errors_of(("study", STUDY), (key, value))
    assert [error for error in errors if error.startswith(line)] == errors


WORDS = ("rises", "falls", "flat", "mixed", "stays", "equal")
KINDS = {
    "verdict": (VERDICT["verdict"], WORDS[:4]),
    "contrast": (VERDICT["verdict"], WORDS[:4]),
    "order_at_rates": ({"grid": "learning_rates"}, WORDS[:4]),
    "best_rate": ({"grid": "learning_rates"}, ("rises", "falls", "stays")),
    "coordinates": ({"circumstance": "no_l2", "layers": "logits"}, ("rises", "falls", "stays")),
    "time_lapse": ({"fast": "time_lapse", "slow": "baseline"}, ("equal",)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_claim_expects_is_what_its_kind_can_find(kind):
    content, allowed = KINDS[kind]
    for word in (*WORDS, "higher"):
        change = ("claims.mine", CLAIM | {kind: content, "expected": word})
        if word in allowed:
            study_with(change)
        else:
            assert errors_of(change) == [f'claims.mine.expected: given "{word}"; allowed: {", ".join(allowed)}']


def test_all_errors_are_told_at_once():
    errors = errors_of(("widths", [-1, 2, 3]), ("seeds", [0, 0]), ("training.epoch", 3), ("training.l2", "1e-4"))
    assert [error.split(":")[0] for error in errors] == ["seeds", "training.epoch", "training.l2", "widths.0"]


@pytest.mark.parametrize("key", ["widths", "seeds", "study", "circumstances"])
def test_a_missing_key_without_default_is_named(key):
    config = default_config()
    del config[key]
    with pytest.raises(StudyError, match=rf"^{key}: missing, and has no default$"):
        Study(config, SCHEMA)


def test_whole_numbers_may_be_written_with_a_point():
    study = study_with(("widths", [2.0, 3, 5]), ("training.batch_size", 4.0))
    assert study.sizes("no_l2") == ["width2", "width3", "width5"]
    assert isinstance(study.circumstances["no_l2"].training.batch_size, int)


def test_null_takes_back_a_circumstance_an_override_and_a_setting():
    study = study_with(
        ("study", ["baseline", "no_l2", "time_lapse"]),
        ("circumstances.he_init", None),
        ("circumstances.reduced_precision", None),  # a claim names it
        ("circumstances.time_lapse.overrides.training.learning_rate", None),
        ("circumstances.time_lapse.overrides.training.batch_size", 4),
        ("training.epsilon", None),
        ("claims.degradation", None),
    )
    assert "he_init" not in study.config["circumstances"]
    assert "degradation" not in study.claims
    training = study.circumstances["time_lapse"].training
    assert (training.learning_rate, training.batch_size, training.epsilon) == (1e-5, 4, 1e-7)


NAMES = st.text("ab_ .", max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_normalising_a_configuration_twice_is_normalising_it_once(value):
    once = plain(without_nulls(value))
    assert plain(without_nulls(once)) == once
    assert plain(value) == value


@given(st.dictionaries(st.sampled_from(["training", "network", "evaluation", "dataset"]), st.just({})))
def test_filling_in_defaults_twice_is_filling_them_in_once(sections):
    config = default_config() | sections
    once = with_defaults(config, SCHEMA)
    assert with_defaults(once, SCHEMA) == once
    assert once["training"]["l2"] == 1e-4
    assert "l2" not in once["circumstances"]["he_init"]["overrides"].get("training", {})


def keys_of(schema: dict, prefix: str = ""):
    """Every dotted key of the schema, with those of two circumstances and of a claim."""
    for name, key in schema.get("properties", {}).items():
        yield f"{prefix}{name}"
        referred = SCHEMA["$defs"].get(key.get("$ref", "").removeprefix("#/$defs/"), key)
        yield from keys_of(referred, f"{prefix}{name}.")


ENTRIES = {
    "circumstances.baseline.": "circumstance",
    "circumstances.he_init.": "circumstance",  # not in the study
    "circumstances.deep_plain.": "circumstance",
    "claims.degradation.": "claim",
}
KEYS = [
    *keys_of(SCHEMA),
    *(key for prefix, entry in ENTRIES.items() for key in keys_of(SCHEMA["$defs"][entry], prefix)),
]
VALUES = (
    JSON
    | st.sampled_from(["baseline", "no_l2", "deep_plain", "learning_rates", "adam", "mup", "rises", "~nobody_x", DATE])
    | st.dictionaries(st.booleans() | st.integers() | NAMES, JSON, max_size=2)
    | st.lists(st.integers(0, 12), max_size=5)
    | st.floats(0, 1)
)


@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3))
def test_whatever_is_written_is_a_study_or_lines_that_begin_with_a_key(changes):
    changes = [(key, value) for key, value in changes if not any(key.startswith(f"{other}.") for other, _ in changes)]
    config = changed(("study", STUDY), *changes)
    before = copy.deepcopy(config)
    top = {*SCHEMA["properties"], *(key for key, _ in changes)}
    try:
        study = Study(config, SCHEMA)
        assert study.starts.keys() == {*study.judged}
        assert [*study.limitations, *study.titles(study.references.values())]
        assert {name for page in study.pages(study.judged) for name in study.on_page(page).judged} == {*study.judged}
    except StudyError as error:
        lines = str(error).splitlines()
        assert len(lines) == len(set(lines)) > 0
        assert all(line.split(":")[0].split(".")[0] in top for line in lines), lines
    assert config == before
