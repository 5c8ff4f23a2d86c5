"""The shipped configurations, the schema and the requirements, held against each other."""

import re
import subprocess
import sys

import pandas
import pytest
import yaml
from settings import ROOT, SCHEMA, default_config, load

from widthwise.study.plan import Study

SECTIONS = ("dataset", "network", "training", "evaluation", "analysis")


def settings_of(section: str) -> dict:
    schema = SCHEMA["properties"][section]
    if "$ref" in schema:
        schema = SCHEMA["$defs"][section]
    return schema["properties"]


def marks_in_default_config() -> dict[str, str]:
    """The mark behind each setting of config.yaml: posted or assumed."""
    marks, section = {}, None
    for line in (ROOT / "config/config.yaml").read_text().splitlines():
        if match := re.match(r"(\w+):", line):
            section = match[1]
        elif match := re.match(r"  (\w+):.*#\s*(posted|assumed)\b", line):
            marks[f"{section}.{match[1]}"] = match[2]
    return marks


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_description_a_default_and_an_origin(section):
    for name, schema in settings_of(section).items():
        assert schema["description"].endswith("."), name
        assert "default" in schema, name
        assert schema["origin"] in ("posted", "assumed"), name


@pytest.mark.parametrize("section", SECTIONS)
def test_the_default_config_shows_every_setting_as_the_schema_has_it(section):
    given, marks = load("config.yaml")[section], marks_in_default_config()
    assert given == {name: schema["default"] for name, schema in settings_of(section).items()}
    for name, schema in settings_of(section).items():
        if name != "seed":
            assert marks[f"{section}.{name}"] == schema["origin"], name


def test_the_page_of_all_keys_is_what_the_schema_says():
    printed = subprocess.run(
        [sys.executable, "scripts/describe_config.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    page = ROOT / "config/README.md"
    assert page.read_text() == printed, "python scripts/describe_config.py > config/README.md"


def test_the_page_shows_a_circumstance_that_can_be_run_and_taken_back():
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "config/README.md").read_text(), re.DOTALL)
    config = merge(default_config(), yaml.safe_load(example))
    assert Study(config, SCHEMA).judged == ["as_posted", "stronger_l2"]
    taken_back = merge(
        config, {"study": ["as_posted"], "circumstances": {"stronger_l2": None}, "training": {"l2": None}}
    )
    study = Study(taken_back, SCHEMA)
    assert "stronger_l2" not in study.config["circumstances"]
    assert study.config["training"]["l2"] == 1e-4


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
    def objects(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for value in schema.values():
                yield from objects(value)

    found = list(objects(SCHEMA))
    assert len(found) > 8
    for schema in found:
        assert "additionalProperties" in schema, schema.get("description")
        assert schema["additionalProperties"] is not True


def test_every_shipped_study_is_valid_and_as_large_as_it_says():
    default = Study(default_config(), SCHEMA)
    assert len(default.seeds) >= 3
    assert default.all_sizes == [f"width{width}" for width in (2, 3, 5, 8, 14, 26)]
    smoke = Study(merge(default_config(), load("smoke.yaml")), SCHEMA)
    assert (len(smoke.all_sizes), len(smoke.seeds)) == (3, 2)
    full = Study(merge(default_config(), load("full.yaml")), SCHEMA)
    assert {*full.judged, *full.grids} == set(full.config["circumstances"])
    assert len(full.seeds) >= 5


STUDIES = [
    path.relative_to(ROOT)
    for path in sorted((ROOT / "config").rglob("*.yaml"))
    if "profiles" not in path.parts and path.name not in ("schema.yaml", "circumstances.yaml", "config.yaml")
]


@pytest.mark.parametrize("path", STUDIES, ids=str)
def test_a_shipped_study_says_how_to_run_it(path):
    text = (ROOT / path).read_text()
    (command,) = re.findall(r"`snakemake --cores \w+ --configfile (.*?)`", text)
    assert command.split()[-1] == str(path)
    config = default_config()
    for layer in command.split():
        config = merge(config, yaml.safe_load((ROOT / layer).read_text()))
    assert Study(config, SCHEMA).circumstances


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("easier", {"dataset.noise"}),
        ("harder", {"dataset.noise"}),
        ("other_data", {"dataset.seed"}),
        ("larger_batch", {"training.batch_size", "training.epochs"}),
        ("other_seeds", {"seeds"}),
        ("wider_window", {"analysis.end_window"}),
    ],
)
def test_a_study_of_sensitivity_is_the_baseline_but_for_one_factor(name, factor):
    baseline = merge(default_config(), load("sensitivity/baseline.yaml"))
    other = merge(merge(default_config(), load("sensitivity/baseline.yaml")), load(f"sensitivity/{name}.yaml"))
    flat = [pandas.json_normalize(config).loc[0].to_dict() for config in (baseline, other)]
    differing = {key for key in flat[0].keys() | flat[1].keys() if flat[0].get(key) != flat[1].get(key)}
    assert differing == factor | {"pathvars.results"}


def merge(config: dict, layer: dict) -> dict:
    """As Snakemake layers configuration files."""
    for key, value in layer.items():
        if isinstance(value, dict):
            config[key] = merge(config.get(key, {}), value)
        else:
            config[key] = value
    return config


def pins(lines) -> dict[str, str]:
    return dict(re.fullmatch(r"([\w-]+)==([\w.]+)", line).groups() for line in lines)


def test_pip_pins_are_exact():
    for name in ("runtime.txt", "slurm.txt", "test.txt"):
        lines = [line for line in (ROOT / "envs" / name).read_text().split("\n") if line and line[0] != "#"]
        assert pins(line for line in lines if not line.startswith("-r "))


def test_conda_files_hold_the_pins_of_pip():
    runtime = pins(line for line in (ROOT / "envs/runtime.txt").read_text().splitlines() if not line.startswith("#"))
    assert runtime["torch"] == "2.13.0"
    files = sorted((ROOT / "envs").glob("*.yaml"))
    assert [file.stem for file in files] == ["benchmark", "dataset", "figures", "report", "tables", "train", "verdicts"]
    for file in files:
        pip = yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]
        assert pins(pip).items() <= runtime.items(), file.name
