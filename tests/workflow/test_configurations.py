"""The schema, and every study and profile that is shipped."""

import re
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import torch
from settings import SCHEMA, default_config, load
from snakemake.utils import update_config
from workflow.checkout import ROOT

from widthwise.study.plan import Study, StudyError
from widthwise.study.requirements import is_publishable

SECTIONS = ("dataset", "network", "training", "evaluation", "analysis")
NO_STUDIES = {"schema.yaml", "circumstances.yaml", "config.yaml"}
STUDIES = [
    path.relative_to(ROOT)
    for path in sorted((ROOT / "config").rglob("*.yaml"))
    if not {"profiles", "presets"} & set(path.parts) and path.name not in NO_STUDIES
]
PRESETS = sorted(path.stem for path in (ROOT / "config/presets").glob("*.yaml"))
# What a user adds to a diagnosis.
OWN = {"dataset": {"path": "mine.npz"}, "widths": [4, 8, 16, 32]}
SENSITIVITY = Path("config/studies/sensitivity")
PROFILES = sorted(path.parent.name for path in (ROOT / "config/profiles").glob("*/config.yaml"))


def layered(*layers):
    """The default study with layers over it, as Snakemake puts them."""
    config = default_config()
    for layer in layers:
        update_config(config, layer)
    return config


def settings_of(section):
    """The settings of one section of the schema, by dotted key: those inside another one too."""

    def flat(properties, prefix=""):
        for name, schema in properties.items():
            if "properties" in schema:
                yield from flat(schema["properties"], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", schema

    schema = SCHEMA["properties"][section]
    return dict(flat(SCHEMA["$defs"][section]["properties"] if "$ref" in schema else schema["properties"]))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_description_a_default_and_an_origin(section):
    for name, schema in settings_of(section).items():
        assert schema["description"].endswith("."), name
        assert "default" in schema, name
        assert schema["origin"] in ("posted", "assumed"), name


def test_what_the_question_posted_is_marked_so():
    posted = {
        f"{section}.{name}": schema["default"]
        for section in SECTIONS
        for name, schema in settings_of(section).items()
        if schema["origin"] == "posted"
    }
    assert posted == {
        "dataset.cube_side": 25,
        "network.kernel_size": 3,
        "network.normalisation": "batch",
        "network.activation": "leaky_relu",
        "network.dropout": 0,
        "training.optimiser": "adam",
        "training.learning_rate": 1e-5,
        "training.l2": 1e-4,
    }


def test_no_object_of_the_schema_takes_unknown_keys():
    def objects(schema, key=None):
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield key, schema
            for name, value in schema.items():
                yield from objects(value, name)

    found = list(objects(SCHEMA))
    assert len(found) > 8
    # The options are those of a user's factory.
    assert [key for key, schema in found if schema.get("additionalProperties", True) is True] == ["options"]


def test_every_default_stands_in_the_schema_alone():
    config = load("config.yaml")
    assert config.keys() & {"widths", "seeds", "study"} == {"widths", "seeds", "study"}
    for section in config.keys() & set(SECTIONS):
        for name, value in config[section].items():
            assert value != settings_of(section)[name]["default"], f"{section}.{name}"


def test_the_default_study_has_the_posts_sizes_and_no_changed_setting():
    study = Study(default_config(), SCHEMA)
    assert len(study.seeds) >= 3
    assert study.all_sizes == [f"width{width}" for width in (2, 3, 5, 8, 14, 26)]
    assert study.changed_posted_settings == {}


def test_the_smoke_study_is_small_and_the_catalogue_can_be_published():
    smoke, whole = (Study(layered(load(name)), SCHEMA) for name in ("smoke.yaml", "studies/catalogue.yaml"))
    assert len(list(smoke.runs())) == 12
    assert len(whole.judged) > 15
    assert not whole.left_out
    assert is_publishable(len(whole.seeds), len(whole.widths))


def command_of(path):
    """The files in the command that a study or preset says it is run with, a user's own left out."""
    (command,) = re.findall(r"`snakemake --cores \w+ --configfile (.*?)`", (ROOT / path).read_text())
    return [Path(name) for name in command.split() if name != "mine.yaml"]


def configuration_of(command):
    """The configuration of the files in a command."""
    return layered(*(load(name.relative_to("config")) for name in command))


@pytest.mark.parametrize("path", STUDIES, ids=str)
def test_a_shipped_study_says_how_to_run_it_and_is_valid(path):
    command = command_of(path)
    assert command[-1] == path
    assert Study(configuration_of(command), SCHEMA).circumstances


@pytest.mark.parametrize("path", [path for path in STUDIES if "examples" not in path.parts], ids=str)
def test_every_circumstance_of_a_shipped_study_has_a_title_of_its_own_and_a_family(path):
    catalogue = configuration_of(command_of(path))["circumstances"]
    assert [name for name, entry in catalogue.items() if not (entry.get("title") and entry.get("family"))] == []
    titles = [entry["title"] for entry in catalogue.values()]
    assert len(set(titles)) == len(titles)
    # Figures list titles, separated by commas, and no key is a name in words.
    assert [title for title in titles if "," in title or "_" in title] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_where_l2_acts_and_leaves_lambda_to_the_user(preset):
    path = Path("config/presets", f"{preset}.yaml")
    assert command_of(path) == [path]
    settings = load(f"presets/{preset}.yaml")
    with pytest.raises(StudyError, match=r"training\.l2: missing"):
        Study(layered(settings, OWN), SCHEMA)
    study = Study(layered(settings, OWN, {"training": {"l2": 1e-3}}), SCHEMA)
    assert study.config["training"]["l2_as"] == {"keras": "loss", "torch": "optimiser"}[preset]


def test_the_preset_of_torch_is_what_torch_does():
    network, training = (load("presets/torch.yaml")[section] for section in ("network", "training"))
    normalisation = torch.nn.BatchNorm3d(1)
    assert network["normalisation_momentum"] == normalisation.momentum
    assert network["normalisation_epsilon"] == normalisation.eps
    assert network["negative_slope"] == torch.nn.LeakyReLU().negative_slope
    assert training["epsilon"] == torch.optim.Adam([torch.nn.Parameter()]).defaults["eps"]


def test_the_two_presets_set_the_same_keys():
    keys = [{section: set(settings) for section, settings in load(f"presets/{name}.yaml").items()} for name in PRESETS]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("own", "left_out"),
    [
        ({}, {"glorot_init"}),
        (OWN | {"training": {"l2": 1e-4, "l2_as": "loss"}}, {"glorot_init"}),
        (
            OWN | {"training": {"l2": 0, "l2_as": "optimiser"}, "network": {"initialisation": "he"}},
            {"no_l2", "he_init"},
        ),
        (OWN | {"training": {"l2": 1e-4, "l2_as": "decoupled"}, "network": {"factory": "net.py:build"}}, set()),
    ],
    ids=["built-in", "own data", "without L2", "own network"],
)
def test_the_diagnosis_changes_one_factor_of_any_settings(own, left_out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("def build(width, *, classes, shape): ...\n")
    study = Study(layered(load("studies/diagnose.yaml"), own), SCHEMA)
    assert set(study.left_out) == left_out
    assert len(study.judged) == 11 - len(left_out)
    assert study.coordinate_checks == []
    baseline = study.circumstances["baseline"].training
    changed = {name: study.circumstances[name].training for name in study.judged if name != "baseline"}
    rates = sorted(training.learning_rate / baseline.learning_rate for training in changed.values())
    assert [rate for rate in rates if rate != 1] == pytest.approx([0.1, 0.3333, 3, 10])
    assert changed["more_steps"].epochs == 4 * baseline.epochs
    assert changed["larger_epsilon"].epsilon == pytest.approx(1000 * baseline.epsilon)
    for name in changed:
        circumstance = study.circumstances[name]
        assert circumstance.reference == "baseline"
        assert circumstance.look_for, circumstance.change
        assert circumstance.expected_contrast
        assert not circumstance.expectation


@pytest.mark.parametrize(
    "path", [path for path in STUDIES if path.parent == SENSITIVITY and path.stem != "baseline"], ids=str
)
def test_a_study_of_sensitivity_is_the_baseline_except_for_one_factor(path):
    *baseline, last = command_of(path)
    assert (baseline, last) == (command_of(SENSITIVITY / "baseline.yaml"), path)
    both = [configuration_of(baseline), configuration_of([*baseline, last])]
    here, there = (pandas.json_normalize(config).loc[0].to_dict() for config in both)
    differing = {key for key in here.keys() | there.keys() if here.get(key) != there.get(key)}
    if "training.epochs" in differing:  # so that there are as many steps
        filled = [Study(config, SCHEMA).config for config in both]
        steps = [
            config["training"]["epochs"] * config["dataset"]["train_cubes"] // config["training"]["batch_size"]
            for config in filled
        ]
        assert steps[0] == steps[1]
        differing.remove("training.epochs")
    assert len(differing - {"pathvars.results"}) == 1
    assert "pathvars.results" in differing


@pytest.fixture(scope="module")
def options():
    """What snakemake's help says of its options."""
    command = [sys.executable, "-m", "snakemake", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("profile", PROFILES)
def test_every_key_of_a_profile_is_an_option_of_snakemake(options, profile):
    for key in load(f"profiles/{profile}/config.yaml"):
        assert f"--{key}" in options, key
