"""From configuration to runs: every error in a line of its own, and settings that resolve one way only."""

import copy
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import SCHEMA, default_config

from widthwise.study.catalogue import ancestors, catalogue_errors, factors, resolve
from widthwise.study.configuration import with_defaults
from widthwise.study.plan import Study, StudyError, canonical_json


def changed(*changes: tuple[str, object]) -> dict:
    """The default configuration with the value at each dotted key replaced."""
    config = default_config()
    for key, value in changes:
        *path, last = key.split(".")
        section = config
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return config


def errors_of(*changes: tuple[str, object]) -> list[str]:
    with pytest.raises(StudyError) as caught:
        Study(changed(*changes), SCHEMA)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "training.learnin_rate",
            0.1,
            "training.learnin_rate: unknown key, given 0.1; did you mean learning_rate? allowed: optimiser, ",
        ),
        ("widht", 3, "widht: unknown key, given 3; did you mean widths? allowed: pathvars, device, dataset, widths, "),
        ("training.epochs", "ten", 'training.epochs: given "ten"; allowed: an integer at least 0'),
        ("widths", [2, -3, 5], "widths.1: given -3; allowed: an integer at least 1"),
        ("widths", 8, "widths: given 8; allowed: a list of at least 3 entries and of at most 9 entries"),
        ("widths", [*range(1, 11)], "widths: given [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]; allowed: a list of at least 3 "),
        ("widths", [], "widths: given []; allowed: a list of at least 3 entries and of at most 9 entries"),
        ("seeds", [0, 1, 1], "seeds: given 1 more than once; allowed: each once"),
        (
            "study",
            ["as_posted", "no_l1"],
            "study: given 'no_l1', which the catalogue lacks; did you mean no_l2? allowed: as_posted, no_l2, ",
        ),
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
        ("training.l2", float("nan"), "training.l2: given NaN; allowed: a number at least 0"),
        ("training.batch_size", True, "training.batch_size: given true; allowed: an integer at least 2"),
        ("network.initialisation", "xavier", 'network.initialisation: given "xavier"; allowed: glorot, he, '),
        (
            "network.multipliers",
            [1],
            "circumstances.as_posted: network.multipliers: given 1 of them, allowed: one ",
        ),
        ("network.kernel_size", 4, "network.kernel_size: given 4; allowed: 1, 3, 5, 7"),
        (
            "training.class_weights",
            [1, 2, 3],
            "circumstances.as_posted: training.class_weights: given 3 of them, allowed: one for each of the 2 classes",
        ),
        ("training.betas", [0.9], "training.betas: given [0.9]; allowed: a list of at least 2 entries and of at "),
        ("dataset.volume_side", 20, "dataset.volume_side: given 20, allowed: at least dataset.cube_side, 25"),
        ("evaluation.probe_size", 900, "evaluation.probe_size: given 900, allowed: at most 768, 2 times the "),
        ("circumstances.as_posted.hypothesis", None, "circumstances.as_posted.hypothesis: missing, and has no "),
        (
            "circumstances.as_posted.expectation.objective.end_value",
            "higher",
            'circumstances.as_posted.expectation.objective.end_value: given "higher"; allowed: rises, falls, ',
        ),
        (
            "circumstances.no_l2.overrides.training.l_2",
            0,
            "circumstances.no_l2.overrides.training.l_2: unknown key, given 0; did you mean l2? allowed: ",
        ),
        (
            "circumstances.no_l2.overrides.training.batch_size",
            4000,
            "circumstances.no_l2: 2 factors away from as_posted (training.batch_size, training.l2); allowed: ",
        ),
        (
            "circumstances.small_batch.overrides.training.batch_size",
            4000,
            "circumstances.small_batch: training.batch_size: given 4000, allowed: at most 768, the training cubes",
        ),
        (
            "circumstances.no_l2.overrides",
            {},
            "circumstances.no_l2: 0 factors away from as_posted (none); allowed: ",
        ),
        (
            "circumstances.no_l2.reference",
            "zero_head",
            "circumstances.no_l2.reference: given 'zero_head', which leads back to no_l2; allowed: no cycle",
        ),
        (
            "circumstances.no_l2.reference",
            None,
            "circumstances.no_l2.reference: missing; allowed: the circumstance ",
        ),
        (
            "circumstances.as_posted.reference",
            "no_l2",
            "circumstances.as_posted: the root of all references; allowed: no reference and no overrides",
        ),
        ("widths", [2, 8], "widths: given [2, 8]; allowed: a list of at least 3 entries and of at most 9 entries"),
        ("seeds", [4], "seeds: given [4]; allowed: a list of at least 2 entries"),
        (
            "circumstances.deep_plain.depths",
            [8, 14],
            "circumstances.deep_plain.depths: given [8, 14]; allowed: a list",
        ),
        (
            "circumstances.deep_plain.depths",
            [3, 14, 20],
            "circumstances.deep_plain: depths: given 3, allowed: at least 5, a convolution a stage",
        ),
        (
            "circumstances.deep_plain.width",
            None,
            "circumstances.deep_plain: width: allowed, and needed, only where `depths` says that depth grows",
        ),
        (
            "analysis.decay_step",
            1000,
            "circumstances.as_posted: analysis.decay_step: given 1000, allowed: at most the ",
        ),
        (
            "analysis.coordinate_check",
            ["high_rate"],
            "analysis.coordinate_check: given 'high_rate', which the catalogue lacks; did you mean ",
        ),
        (
            "circumstances.as_posted.expectation.objective.ending",
            "rises",
            'circumstances.as_posted.expectation.objective.ending: unknown key, given "rises"; ',
        ),
        (
            "circumstances.no_l2.reference",
            "posted",
            "circumstances.no_l2.reference: given 'posted', which the catalogue lacks; did you mean as_posted? ",
        ),
        ("circumstances.No L2", {}, "circumstances.No L2: not a name; allowed: lower-case letters, digits and _"),
    ],
)
def test_an_error_is_one_line_with_key_given_and_allowed(key, value, line):
    study = ["as_posted", "no_l2", "small_batch", "deep_plain", "learning_rates"]
    errors = errors_of(("study", study), (key, value))
    assert any(error.startswith(line) for error in errors), errors


def test_all_errors_are_told_at_once():
    errors = errors_of(("widths", [-1, 2, 3]), ("seeds", [0, 0]), ("training.epoch", 3), ("training.l2", "1e-4"))
    assert [error.split(":")[0] for error in errors] == ["seeds", "training.epoch", "training.l2", "widths.0"]


def test_a_missing_key_without_default_is_named():
    config = default_config()
    del config["widths"]
    with pytest.raises(StudyError, match=r"^widths: missing, and has no default$"):
        Study(config, SCHEMA)


def test_the_default_study_has_a_run_for_every_circumstance_width_and_seed():
    study = Study(default_config(), SCHEMA)
    names = [run.name for run in study.runs()]
    assert len(names) == len(set(names)) == 3 * 6 * 3
    assert names[0] == "as_posted/width26/seed0"
    assert [run.name for run in study.runs("no_l2")] == [n for n in names if n.startswith("no_l2/")]


def test_a_circumstance_touches_only_its_own_keys():
    study = Study(default_config(), SCHEMA)
    posted, no_l2 = (study.run_settings(name, "width8", 1) for name in ("as_posted", "no_l2"))
    assert no_l2["training"].pop("l2") == 0
    assert posted["training"].pop("l2") == 1e-4
    assert (posted.pop("circumstance"), no_l2.pop("circumstance")) == ("as_posted", "no_l2")
    assert posted == no_l2
    assert posted["network"]["width"] == 8


def test_schema_defaults_do_not_beat_a_users_base_setting_in_a_circumstance():
    study = Study(changed(("training.learning_rate", 0.25)), SCHEMA)
    assert study.run_settings("no_l2", "width2", 0)["training"]["learning_rate"] == 0.25


@pytest.mark.parametrize(("key", "value"), [("training.learning_rate", 1e-4), ("training.batch_size", 4)])
def test_a_base_setting_may_become_what_some_other_circumstance_sets(key, value):
    # time_lapse and small_batch are then their references; a study that does not run them does not mind.
    Study(changed((key, value)), SCHEMA)
    assert "0 factors" in errors_of((key, value), ("study", ["time_lapse", "small_batch"]))[0]


@pytest.mark.parametrize(("key", "value"), [("training.l2", 0), ("training.learning_rate", 1e-2)])
def test_what_only_leads_to_a_circumstance_may_be_what_the_base_is(key, value):
    # The coordinate check's references are no_l2 and, of the other, zero_head; warmup's is high_learning_rate.
    study = Study(changed((key, value), ("study", ["as_posted", "default_init", "warmup"])), SCHEMA)
    assert study.coordinate_checks == ["high_learning_rate", "high_learning_rate_mup"]


def test_what_differs_from_the_question_is_known():
    assert Study(default_config(), SCHEMA).departures == {}
    study = Study(changed(("training.learning_rate", 1e-4), ("training.epochs", 9), ("dataset.cube_side", 9)), SCHEMA)
    assert study.departures == {"dataset.cube_side": (25, 9), "training.learning_rate": (1e-5, 1e-4)}
    own = Study(changed(("dataset.path", "cubes.npz"), ("dataset.cube_side", 9)), SCHEMA)
    assert own.departures == {}


def test_whole_numbers_may_be_written_with_a_point():
    study = Study(changed(("widths", [2.0, 3, 5])), SCHEMA)
    assert study.sizes("no_l2") == ["width2", "width3", "width5"]


def test_null_takes_back_a_circumstance_an_override_and_a_setting():
    study = Study(
        changed(
            ("study", ["as_posted", "no_l2", "time_lapse"]),
            ("circumstances.he_init", None),
            ("circumstances.time_lapse.overrides.training.learning_rate", None),
            ("circumstances.time_lapse.overrides.training.batch_size", 4),
            ("training.epsilon", None),
        ),
        SCHEMA,
    )
    assert "he_init" not in study.config["circumstances"]
    settings = study.run_settings("time_lapse", "width2", 0)["training"]
    assert (settings["learning_rate"], settings["batch_size"], settings["epsilon"]) == (1e-5, 4, 1e-7)


def test_the_users_config_is_left_as_it_was():
    config = default_config()
    before = copy.deepcopy(config)
    Study(config, SCHEMA).run_settings("no_l2", "width2", 0)["training"]["l2"] = 7
    assert config == before


def test_hypotheses_are_no_part_of_a_runs_settings():
    config = changed(("circumstances.no_l2.hypothesis", "another"), ("circumstances.no_l2.source", "another"))
    for name in ("no_l2", "as_posted"):
        settings = [Study(c, SCHEMA).run_settings(name, "width2", 0) for c in (config, default_config())]
        assert settings[0] == settings[1]


json_values = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=5), st.randoms())
def test_the_same_settings_are_the_same_text(settings, random):
    keys = list(settings)
    random.shuffle(keys)
    assert canonical_json({key: settings[key] for key in keys}) == canonical_json(settings)
    assert json.loads(canonical_json(settings)) == settings


def test_one_and_one_point_nought_are_the_same_setting_but_true_is_not():
    assert canonical_json({"a": 1.0}) == canonical_json({"a": 1}) == '{"a":1}'
    assert canonical_json({"a": True}) == '{"a":true}'
    assert canonical_json({"a": 8, "b": 16}) != canonical_json({"a": 16, "b": 8})


def test_first_steps_can_be_followed_in_circumstances_without_runs():
    study = Study(default_config(), SCHEMA)
    assert study.coordinate_checks == ["high_learning_rate", "high_learning_rate_mup"]
    assert "high_learning_rate_mup" not in study.circumstances
    settings = study.first_steps_settings("high_learning_rate_mup", "width8")
    assert settings["network"]["parametrisation"] == "mup"
    longer = Study(changed(("training.epochs", 7), ("seeds", [0, 1, 2, 3])), SCHEMA)
    assert longer.first_steps_settings("high_learning_rate_mup", "width8") == settings


def test_circumstances_with_the_same_networks_start_as_one():
    config = changed(("study", ["sgd", "as_posted", "no_l2", "he_init", "l2_in_optimiser", "random_labels"]))
    study = Study(config, SCHEMA)
    assert study.starts == {
        "sgd": "as_posted",
        "as_posted": "as_posted",
        "no_l2": "as_posted",
        "he_init": "he_init",
        "l2_in_optimiser": "as_posted",
        "random_labels": "random_labels",
    }
    assert study.reported_l2["as_posted"] == 1e-4
    assert study.reported_l2["no_l2"] == study.reported_l2["l2_in_optimiser"] == 0
    # Whatever the study trains on top, the same start is the same settings.
    alone = Study(changed(("study", ["no_l2"]), ("training.learning_rate", 0.1), ("seeds", [8, 9])), SCHEMA)
    assert alone.start_settings("as_posted", "width8") == study.start_settings("as_posted", "width8")


def test_depth_grows_at_one_width():
    study = Study(changed(("study", ["deep_plain", "deep_residual"])), SCHEMA)
    assert study.sizes("deep_plain") == [f"depth{depth}" for depth in (8, 14, 20, 32, 56)]
    network = study.run_settings("deep_residual", "depth32", 0)["network"]
    assert (network["width"], network["stages"], network["residual"]) == (8, [3, 7, 8, 13], True)


def test_a_grid_is_a_circumstance_for_each_rate():
    study = Study(changed(("study", ["as_posted", "learning_rates"])), SCHEMA)
    assert study.judged == ["as_posted"]
    assert study.circumstances == ["as_posted", *study.grids["learning_rates"]]
    assert len(study.grids["learning_rates"]) == len(CATALOGUE["learning_rates"]["learning_rates"])
    assert study.grids["learning_rates"][0] == f"learning_rates_{CATALOGUE['learning_rates']['learning_rates'][0]:g}"
    rates = [study.run_settings(n, "width2", 0)["training"]["learning_rate"] for n in study.grids["learning_rates"]]
    assert all(b / a == pytest.approx(2) for a, b in itertools.pairwise(rates))


def test_every_circumstance_of_the_catalogue_is_one_factor_from_its_reference_in_a_tree():
    config = with_defaults(default_config(), SCHEMA)
    catalogue = config["circumstances"]
    assert catalogue_errors(catalogue, config, catalogue) == []
    for name, circumstance in catalogue.items():
        if name != "as_posted":
            assert ancestors(name, catalogue)[-1] == "as_posted"
            assert len(factors(config, circumstance, catalogue[circumstance["reference"]])) == 1
        assert circumstance["expectation"]
    Study(changed(("study", list(catalogue))), SCHEMA)


CATALOGUE = default_config()["circumstances"]
BASE_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "training.learning_rate": st.floats(1e-6, 1e-3),
        "training.epochs": st.integers(1, 60),
        "training.betas": st.tuples(st.floats(0.5, 0.99), st.floats(0.9, 0.9999)).map(list),
        "network.negative_slope": st.floats(0, 0.5),
        "network.normalisation_momentum": st.floats(0.001, 0.5),
        "dataset.noise": st.floats(0, 4),
        "evaluation.per_epoch": st.integers(1, 4),
    },
)


@given(
    widths=st.lists(st.integers(1, 99), min_size=3, max_size=6, unique=True),
    seeds=st.lists(st.integers(0, 99), min_size=2, max_size=6, unique=True),
    study=st.lists(st.sampled_from(list(CATALOGUE)), max_size=5, unique=True),
    settings=BASE_SETTINGS,
)
def test_any_study_expands_to_unique_runs_and_resolving_repeats(widths, seeds, study, settings):
    study = list(dict.fromkeys(["as_posted", *study]))
    config = changed(("widths", widths), ("seeds", seeds), ("study", study), *settings.items())
    first, again = Study(config, SCHEMA), Study(config, SCHEMA)
    runs = list(first.runs())
    assert len({run.name for run in runs}) == len(runs)
    settings = [canonical_json(first.run_settings(*vars(run).values())) for run in runs]
    assert len(set(settings)) == len(runs)
    assert settings == [canonical_json(again.run_settings(*vars(run).values())) for run in again.runs()]
    assert Study(first.config, SCHEMA).config == first.config


@given(name=st.sampled_from(list(CATALOGUE)), settings=BASE_SETTINGS)
def test_a_circumstance_touches_its_own_keys_only(name, settings):
    base = with_defaults(changed(*settings.items()), SCHEMA)
    before, overrides = copy.deepcopy(base), CATALOGUE[name].get("overrides", {})
    resolved = resolve(base, CATALOGUE[name])
    assert base == before
    for section, values in resolved.items():
        own = overrides.get(section, {})
        assert {key: values[key] for key in own} == own
        assert {key: value for key, value in values.items() if key not in own} == {
            key: value for key, value in base[section].items() if key not in own
        }
    assert resolve(base | resolved, CATALOGUE[name]) == resolved
