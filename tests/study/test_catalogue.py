"""The catalogue: a tree of circumstances, each one factor from its reference, and grids of learning rates."""

import copy
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import (
    BASE_SETTINGS,
    CATALOGUE,
    SCHEMA,
    changed,
    default_config,
    errors_of,
    log_of,
    make_training,
    study_with,
)

from widthwise.study.catalogue import (
    ROOT,
    WITHOUT_EFFECT,
    ancestors,
    catalogue_errors,
    factors,
    flatten,
    grid_errors,
    grid_members,
    resolve,
    with_absolute_overrides,
)
from widthwise.study.configuration import with_defaults


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "study",
            ["baseline", "no_l1"],
            "study: unknown circumstance 'no_l1'; did you mean no_l2? allowed: baseline, no_l2, ",
        ),
        ("study", ["learning_rates"], "study: only grids of learning rates given; write one more circumstance"),
        (
            "analysis.coordinate_check.circumstances",
            ["high_rate"],
            "analysis.coordinate_check.circumstances: unknown circumstance 'high_rate'; ",
        ),
        (
            "circumstances.no_l2.overrides.training.batch_size",
            4,
            "circumstances.no_l2: 2 factors away from baseline (training.batch_size, training.l2); allowed: exactly ",
        ),
        ("circumstances.no_l2.reference", None, "circumstances.no_l2.reference: missing; allowed: the circumstance "),
        (
            "circumstances.no_l2.reference",
            "zero_head",
            "circumstances.no_l2.reference: given 'zero_head', which leads back to no_l2; allowed: no cycle",
        ),
        (
            "circumstances.no_l2.reference",
            "base",
            "circumstances.no_l2.reference: given 'base', which the catalogue lacks; did you mean baseline? allowed: ",
        ),
        (
            "circumstances.baseline.reference",
            "no_l2",
            "circumstances.baseline: the root of all references; allowed: no reference and no overrides",
        ),
        (
            "circumstances.baseline.overrides",
            {"training": {"l2": 0}},
            "circumstances.baseline: the root of all references; allowed: no reference and no overrides",
        ),
        (
            "circumstances.learning_rates.learning_rates",
            [1e-4, 2e-4, 5e-4],
            "circumstances.learning_rates.learning_rates: given 0.0005; allowed: twice the rate before it",
        ),
    ],
)
def test_an_error_is_one_line_that_names_the_key(key, value, line):
    changes = {"study": ["baseline", "no_l2", "learning_rates"], key: value}
    errors = errors_of(*changes.items())
    assert any(error.startswith(line) for error in errors), errors
    assert not any("zero_head:" in error for error in errors), errors


def test_an_unknown_circumstance_is_the_only_error():
    (error,) = errors_of(("study", ["no_l1"]))
    assert error.startswith("study: unknown circumstance 'no_l1'")


def test_a_study_whose_circumstances_all_change_nothing_is_refused():
    (error,) = errors_of(("study", ["no_l2"]), ("training.l2", 0))
    assert error == "study: with these settings, the same as their reference: no_l2; write baseline besides"


@pytest.mark.parametrize(
    "references", [{"one": "one"}, {"one": "two", "two": "one"}, {"one": "two", "two": "three", "three": "two"}]
)
def test_references_that_lead_back_are_errors_even_if_nothing_changes(references):
    entries = [
        (f"circumstances.{name}", {"hypothesis": "a", "source": "b", "reference": reference})
        for name, reference in references.items()
    ]
    errors = errors_of(("study", ["baseline", "one"]), *entries)
    assert errors
    assert all(re.search(r"^circumstances\.(\w+)\.reference: given .* leads back to \1;", error) for error in errors)


def test_a_study_says_which_circumstances_of_its_own_it_does_not_run():
    entry = {"hypothesis": "a", "source": "b", "reference": "baseline", "overrides": {"training": {"l2": 1}}}
    changes = [(f"circumstances.{name}", entry) for name in ("listed", "forgotten", "followed")]
    study = study_with(
        ("study", ["baseline", "listed"]), ("analysis.coordinate_check.circumstances", ["followed"]), *changes
    )
    assert next(iter(study.limitations)) == "Not run, since `study` does not list them: forgotten."


def test_a_study_says_which_circumstances_stand_alone_and_which_are_left_out():
    study = study_with(("study", ["no_l2", "fixed_std_no_l2"]), ("seeds", [0, 1]))
    alone, strength = study.limitations
    compared = "no_l2 (against baseline), fixed_std_no_l2 (against fixed_std_init)"
    assert alone == f"Not compared, since the reference is not in `study`: {compared}."
    assert strength.startswith("2 seeds and 6 sizes give an indication; ")
    left_out, _ = study_with(("study", ["baseline", "no_l2"]), ("training.l2", 0)).limitations
    assert left_out == "Left out, the same as their reference with these settings: no_l2."


def test_every_circumstance_of_the_catalogue_is_one_factor_from_its_reference_in_a_tree():
    absolute, errors = with_absolute_overrides(default_config(), SCHEMA)
    assert errors == []
    config = with_defaults(absolute, SCHEMA)
    catalogue = config["circumstances"]
    assert catalogue_errors(catalogue, config, catalogue) == []
    for name, circumstance in catalogue.items():
        if name != ROOT:
            assert ancestors(name, catalogue)[-1] == ROOT
            assert len(factors(config, circumstance, catalogue[circumstance["reference"]])) == 1
        assert circumstance["expectation"]
    study_with(("study", list(catalogue)))


@pytest.mark.parametrize("between", [[], ["no_l2"]])
def test_what_equals_its_reference_is_compared_with_in_its_place(between):
    study = study_with(("study", ["baseline", *between, "zero_head"]), ("training.l2", 0))
    assert (study.left_out, study.references) == (between, {"zero_head": "baseline"})
    assert not any("Not compared" in sentence for sentence in study.limitations)


@pytest.mark.parametrize(("key", "value"), [("training.learning_rate", 1e-4), ("training.batch_size", 4)])
def test_a_base_setting_may_become_what_some_other_circumstance_sets(key, value):
    # time_lapse or small_batch is then its reference: it is left out, and the other runs.
    study = study_with((key, value), ("study", ["baseline", "time_lapse", "small_batch"]))
    assert len(study.left_out) == 1
    assert {*study.judged, *study.left_out} == {"baseline", "time_lapse", "small_batch"}


@pytest.mark.parametrize(("key", "value"), [("training.l2", 0), ("training.learning_rate", 1e-2)])
def test_what_only_leads_to_a_circumstance_may_be_what_the_base_is(key, value):
    # The coordinate check's references are no_l2 and, of the other, zero_head; warmup's is high_learning_rate.
    study = study_with((key, value), ("study", ["baseline", "default_init", "warmup"]))
    assert study.coordinate_checks == ["high_learning_rate", "high_learning_rate_mup"]


def overriding(**settings):
    """An entry of the catalogue with these overrides, by dotted key with __ for the dot."""
    overrides = {}
    for key, value in settings.items():
        section, name = key.split("__")
        overrides.setdefault(section, {})[name] = value
    return {"overrides": overrides}


EFFECTIVE = {
    "network.activation": "leaky_relu",
    "network.initialisation": "fixed_std",
    "network.normalisation": "batch",
    "network.parametrisation": "mup",
    "training.l2": 0.01,
}
OTHERS = {"training.betas": [0.5, 0.9], "training.l2_as": "optimiser", "network.base_width": 1}


@pytest.mark.parametrize(
    ("key", "other", "value"), [(key, other, value) for key, (other, of) in WITHOUT_EFFECT.items() for value in of]
)
def test_a_setting_without_effect_is_no_factor_and_one_with_effect_is(key, other, value):
    effective = {"adam": "sgd", "sgd": "adam"}.get(value) or EFFECTIVE[other]
    one, two, without = (
        {name.replace(".", "__"): setting}
        for name, setting in ((key, OTHERS.get(key, 0.02)), (other, effective), (other, value))
    )
    base = with_defaults(changed(), SCHEMA)
    assert factors(base, overriding(**without, **one), overriding(**without)) == set()
    assert factors(base, overriding(**two, **one), overriding(**two)) == {key}
    assert factors(base, overriding(**without, **one), overriding(**two)) == {other}
    if value != "as_built":  # of a user's own network
        logs = [
            log_of(make_training(network=overrides.get("network", {}), **overrides.get("training", {})))
            for overrides in (overriding(**without)["overrides"], overriding(**without, **one)["overrides"])
        ]
        assert logs[0] == logs[1]


def test_an_optimiser_and_its_rate_are_one_factor():
    base = with_defaults(changed(), SCHEMA)
    sgd = overriding(training__optimiser="sgd", training__learning_rate=0.1, training__momentum=0)
    assert factors(base, sgd, {}) == {"training.optimiser"}
    assert factors(base, sgd, overriding(training__optimiser="sgd")) == {"training.learning_rate", "training.momentum"}


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
    assert factors(base, CATALOGUE[name], CATALOGUE[name]) == set()


def test_flat_settings_have_dotted_keys():
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


@given(rate=st.floats(1e-6, 1), count=st.integers(3, 12))
def test_rates_that_double_are_a_grid_and_others_are_not(rate, count):
    rates = [rate * 2**power for power in range(count)]
    assert grid_errors("grid", {"grid": {"learning_rates": rates}}) == []
    assert len(grid_errors("grid", {"grid": {"learning_rates": [*rates[:-1], rates[-1] * 1.5]}})) == 1
    members = grid_members("grid", {"learning_rates": rates, "overrides": {"training": {"l2": 0}}})
    assert [member["overrides"]["training"] for member in members.values()] == [
        {"l2": 0, "learning_rate": rate} for rate in rates
    ]


def test_a_grid_is_a_circumstance_for_each_rate():
    study = study_with(("study", ["baseline", "learning_rates"]))
    rates = CATALOGUE["learning_rates"]["learning_rates"]
    assert study.judged == ["baseline"]
    assert study.grids == {"learning_rates": [f"learning_rates_{rate:g}" for rate in rates]}
    assert list(study.circumstances) == ["baseline", *study.grids["learning_rates"]]
    members = [study.circumstances[name] for name in study.grids["learning_rates"]]
    assert [member.training.learning_rate for member in members] == rates
    assert all(b / a == pytest.approx(2) for a, b in itertools.pairwise(rates))
    expected = CATALOGUE["learning_rates"]["expectation"]
    assert all(member.expected_rates == expected for member in members)


def test_a_member_of_a_grid_has_a_name_of_its_own():
    entry = {"hypothesis": "a", "source": "b", "reference": "baseline"}
    grid = ("circumstances.grid", entry | {"learning_rates": [1, 2, 4]})
    assert errors_of(("study", ["baseline", "grid"]), grid, ("circumstances.grid_2", entry)) == [
        "circumstances.grid.learning_rates: one is to be called grid_2, as another circumstance is; rename that"
    ]


def test_depths_and_rates_do_not_go_together():
    errors = errors_of(("study", ["baseline", "deep_plain"]), ("circumstances.deep_plain.learning_rates", [1, 2, 4]))
    assert "circumstances.deep_plain.depths: given with learning_rates; allowed: one of the two" in errors


@pytest.mark.parametrize("given", ["1e-4", float("inf"), float("nan"), 10**400, [1], -1.0])
def test_a_setting_that_is_no_number_is_one_error_however_many_are_relative_to_it(given):
    (error,) = errors_of(("training.l2", given), ("study", ["baseline", "strong_l2"]))
    assert error.startswith("training.l2: given")


@pytest.mark.parametrize("factor", [0.1, 3, 10])
def test_a_relative_override_is_so_many_times_the_studys_own_setting(factor):
    overrides = {"training": {"learning_rate": {"times": factor}, "batch_size": {"times": 2}}}
    overrides["network"] = {"options": {"norm": "group", "groups": {"times": factor}, "block": {"depth": {"times": 2}}}}
    config = changed(
        ("training.learning_rate", 3e-4),
        ("network.options", {"groups": 30, "block": {"depth": 2}}),
        ("circumstances.no_l2.overrides", overrides),
    )
    absolute, errors = with_absolute_overrides(config, SCHEMA)
    assert errors == []
    found = absolute["circumstances"]["no_l2"]["overrides"]
    assert found["training"] == {"learning_rate": pytest.approx(3e-4 * factor, rel=1e-12), "batch_size": 16}
    assert found["network"]["options"] == {"norm": "group", "groups": 30 * factor, "block": {"depth": 4}}


@pytest.mark.parametrize(
    ("setting", "factor", "line"),
    [
        ("training.l2", "ten", 'training.l2: times "ten" given; write a number'),
        (
            "training.l2",
            "1e-1",
            'training.l2: times "1e-1" given; write a number (YAML reads 1e-1 as text: write 1.0e-1)',
        ),
        (
            "training.optimiser",
            2,
            "training.optimiser: times 2 given, but the study's own setting is no number; write ",
        ),
        ("network.options.k", 2, "network.options.k: times 2 given, but the study's own setting is no number; write "),
        ("training.l_2", 2, 'training.l_2: unknown key, given {"times": 2}; did you mean l2? allowed: '),
    ],
)
def test_a_factor_is_a_number_and_so_is_what_it_multiplies(setting, factor, line):
    key = "circumstances.strong_l2.overrides"
    section, *keys = setting.split(".")
    override = {"times": factor}
    for name in reversed(keys):
        override = {name: override}
    (error,) = errors_of((f"{key}.{section}", override), ("study", ["baseline", "strong_l2"]))
    assert error.startswith(f"{key}.{line}"), error
