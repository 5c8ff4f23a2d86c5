"""Typed settings: the keys of the schema, there and back, the text that decides what runs again, rows, and lambda."""

import dataclasses
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings import POSTED, SCHEMA, SMALL, default_study

from widthwise.study.configuration import with_defaults
from widthwise.study.factory import FACTORY_KEYS, FOLLOWED
from widthwise.study.settings import (
    AnalysisSettings,
    CoordinateCheckSettings,
    EvaluationSettings,
    FactorySettings,
    NetworkSettings,
    RunSettings,
    Settings,
    StartSettings,
    TrainingSettings,
    canonical_json,
    end_window_start,
)


def fields_of(kind) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def built_in_network() -> dict:
    """The schema of the network, without the keys of a factory."""
    properties = SCHEMA["$defs"]["network"]["properties"]
    return {"properties": {key: value for key, value in properties.items() if key not in FACTORY_KEYS}}


@pytest.mark.parametrize(
    ("schema", "kind", "not_in_the_schema"),
    [
        (built_in_network(), NetworkSettings, {"width"}),
        (SCHEMA["$defs"]["training"], TrainingSettings, set()),
        (SCHEMA["properties"]["evaluation"], EvaluationSettings, set()),
        (SCHEMA["properties"]["analysis"], AnalysisSettings, set()),
        (SCHEMA["properties"]["analysis"]["properties"]["coordinate_check"], CoordinateCheckSettings, set()),
    ],
)
def test_fields_are_the_keys_of_the_schema(schema, kind, not_in_the_schema):
    assert fields_of(kind) == {*schema["properties"]} | not_in_the_schema


def test_a_factorys_settings_are_those_that_any_network_follows():
    assert fields_of(FactorySettings) == {"width", "depth", "code", "factory", *FOLLOWED}
    assert {*FACTORY_KEYS, *FOLLOWED} <= {*SCHEMA["$defs"]["network"]["properties"]}


# There and back

PLAIN = {
    bool: st.booleans(),
    int: st.integers(0, 99),
    float: st.floats(0, 1) | st.integers(0, 9),
    str: st.text("abc_", max_size=4),
    tuple[int, ...]: st.lists(st.integers(1, 9), max_size=4).map(tuple),
    tuple[str, ...]: st.lists(st.text("ab", max_size=3), max_size=3).map(tuple),
    tuple[float, float]: st.tuples(st.floats(0, 1), st.floats(0, 1)),
    int | None: st.none() | st.integers(1, 99),
    dict[str, Any]: st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(0, 9) | st.text("cd")),
    tuple[float, ...] | None: st.none() | st.lists(st.floats(0, 9), max_size=3).map(tuple),
}
KINDS = [
    NetworkSettings,
    FactorySettings,
    TrainingSettings,
    EvaluationSettings,
    RunSettings,
    StartSettings,
    AnalysisSettings,
]


def settings_of(kind) -> st.SearchStrategy:
    """Any settings of this kind."""
    if kind == NetworkSettings | FactorySettings:
        return settings_of(NetworkSettings) | settings_of(FactorySettings)
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    return st.builds(kind, **{name: PLAIN[t] if t in PLAIN else settings_of(t) for name, t in types.items()})


def types_in_lists(settings: Settings) -> list:
    """The types of all items of lists: torch takes no whole number for a real one there."""
    values = vars(settings).values()
    return [
        types_in_lists(value) if isinstance(value, Settings) else [*map(type, value)]
        for value in values
        if isinstance(value, Settings | tuple)
    ]


@given(st.sampled_from(KINDS).flatmap(settings_of))
def test_settings_come_back_from_plain_values_and_from_text(settings):
    kind = type(settings)
    assert kind.from_dict(settings.as_dict()) == settings
    from_text = kind.from_dict(json.loads(canonical_json(settings)))
    assert from_text == settings
    assert types_in_lists(from_text) == types_in_lists(settings)
    assert canonical_json(kind.from_dict(settings.as_dict())) == canonical_json(settings)
    assert isinstance(hash(kind.from_dict(settings.as_dict())), int)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SMALL.training.epochs = 3


@pytest.mark.parametrize("values", [{"row_interval": 8}, {"row_interval": 8, "starting_batches": 1, "per_epoch": 2}])
def test_a_missing_or_unknown_key_is_refused(values):
    with pytest.raises(TypeError, match=r"starting_batches|per_epoch"):
        EvaluationSettings.from_dict(values)


# Text

JSON = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=5), st.randoms())
def test_the_same_settings_are_the_same_text(settings, random):
    keys = list(settings)
    random.shuffle(keys)
    assert canonical_json({key: settings[key] for key in keys}) == canonical_json(settings)
    assert json.loads(canonical_json(settings)) == settings


def test_one_and_one_point_nought_are_the_same_setting_but_true_is_not():
    assert canonical_json({"a": 1.0}) == canonical_json({"a": 1}) == '{"a":1}'
    assert canonical_json({"a": True}) == '{"a":true}'
    assert canonical_json({"a": 8, "b": 16}) != canonical_json({"a": 16, "b": 8})
    as_float = replace(SMALL, training=replace(SMALL.training, learning_rate=1.0))
    as_integer = replace(SMALL, training=replace(SMALL.training, learning_rate=1))
    assert canonical_json(as_float) == canonical_json(as_integer) != canonical_json(SMALL)


# Rows

INTERVALS = st.integers(1, 200)
EPOCHS = st.integers(1, 60)


def rows(steps: int, steps_per_epoch: int, row_interval: int) -> list[int]:
    evaluation = EvaluationSettings(row_interval=row_interval, starting_batches=1)
    return [step for step in range(steps + 1) if evaluation.has_row(step, steps_per_epoch)]


def test_rows_double_and_then_come_evenly_and_at_each_epochs_end():
    assert rows(192, 96, 32) == [0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192]
    assert rows(40, 20, 16) == [0, 1, 2, 4, 8, 16, 20, 32, 40]
    assert rows(15, 5, 6) == [0, 1, 2, 4, 5, 6, 10, 12, 15]
    assert rows(4, 4, 1) == [0, 1, 2, 3, 4]


@given(steps_per_epoch=EPOCHS, row_interval=INTERVALS, epochs=st.integers(1, 4), more=st.integers(1, 3))
def test_rows_depend_on_the_step_alone_and_mark_every_epochs_end(steps_per_epoch, row_interval, epochs, more):
    steps = epochs * steps_per_epoch
    found = rows(steps, steps_per_epoch, row_interval)
    longer = rows(steps + more * steps_per_epoch, steps_per_epoch, row_interval)
    assert longer[: len(found)] == found
    assert {*range(0, steps + 1, steps_per_epoch), *range(0, steps + 1, row_interval)} <= set(found)
    assert max(b - a for a, b in itertools.pairwise(found)) <= row_interval
    doubling = {2**power for power in range(12)}
    others = {step for step in found if step % row_interval and step % steps_per_epoch}
    assert others == {step for step in doubling if step < row_interval and step <= steps and step % steps_per_epoch}


@given(steps=st.integers(1, 10_000), share=st.integers(1, 100))
def test_the_end_window_is_the_last_share_of_the_steps(steps, share):
    # Shares in whole percent, so that the expected step is exact: rounded down, so the window is at least the share.
    assert end_window_start(steps, share / 100) == steps * (100 - share) // 100


# Where lambda acts


@pytest.mark.parametrize(
    ("l2_as", "reported", "decay", "decoupled"),
    [("loss", 3e-4, 0, False), ("optimiser", 0, 3e-4, False), ("decoupled", 0, 3e-4, True)],
)
def test_lambda_acts_in_one_place(l2_as, reported, decay, decoupled):
    training = replace(SMALL.training, l2=3e-4, l2_as=l2_as)
    assert (training.reported_l2, training.weight_decay, training.decay_is_decoupled) == (reported, decay, decoupled)


def test_every_place_of_the_schema_is_covered():
    assert SCHEMA["$defs"]["training"]["properties"]["l2_as"]["enum"] == ["loss", "optimiser", "decoupled"]


# The network's size


def test_depth_counts_every_convolution_and_the_head():
    assert POSTED.network.depth == 20
    assert SMALL.network.depth == 3


def test_the_width_ratio_is_one_unless_mup():
    mup = replace(POSTED.network, width=4, base_width=16, parametrisation="mup")
    assert mup.width_ratio == 0.25
    assert replace(mup, parametrisation="standard").width_ratio == 1
    assert replace(mup, width=16).width_ratio == 1


def test_the_default_study_has_the_schemas_defaults_as_typed_settings():
    study, config = default_study(), with_defaults({}, SCHEMA)
    assert study.evaluation == EvaluationSettings(**config["evaluation"])
    assert study.analysis.as_dict() == config["analysis"]
    assert isinstance(study.analysis.coordinate_check, CoordinateCheckSettings)
    assert isinstance(study.analysis.coordinate_check.circumstances, tuple)
