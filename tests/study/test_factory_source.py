"""A user's own factory: what is read of its source, and what a study of it refuses before any job."""

import contextlib
import copy

import pytest
import yaml
from own_networks import EXAMPLES, FOLDER, save_factory
from settings import ROOT, SCHEMA, default_config

from widthwise.study.catalogue import merge
from widthwise.study.code_digest import read_module
from widthwise.study.factory import Factory, FactoryError
from widthwise.study.plan import Study, StudyError

SAID = {"l2": 1e-4, "l2_as": "loss"}
BODY = "    return torch.nn.Linear(2, 3)\n"


def factory_of(folder, definition):
    return Factory.of(save_factory(folder, f"import torch\n\n\n{definition}\n"))


@pytest.mark.parametrize(
    ("definition", "accepts", "required"),
    [
        ("def build(width, *, classes, shape): ...", "no options", []),
        ("def build(width, classes, shape, depth, norm='batch'): ...", "depth, norm", ["depth"]),
        ("def build(shape, classes, width=1, *, norm, groups=4): ...", "norm, groups", ["norm"]),
        ("def build(width, *, classes, shape, **options): ...", "any options", []),
        ("def build(**everything): ...", "any options", []),
        ("class build(torch.nn.Module):\n    def __init__(self, width, classes, shape, norm): ...", "norm", ["norm"]),
        ("class build(torch.nn.Module): ...", "any options", []),
        ("from somewhere import network as build", "any options", []),
        ("build = make(1)", "any options", []),
        ("build: object = make(1)", "any options", []),
        ("def build(a): ...\ndef build(width, classes, shape, b=1): ...", "b", []),
    ],
)
def test_what_it_accepts_is_read_from_its_source(tmp_path, definition, accepts, required):
    factory = factory_of(tmp_path, definition)
    given = {"width", "classes", "shape"}
    assert factory.options == accepts
    assert [name for name in factory.required if name not in given] == required
    assert factory.takes("depth") == ("any" in accepts or "depth" in accepts)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("network.py", r"^network\.py given; write FILE\.py:FUNCTION, as in my_network\.py:build$"),
        ("package.network:build", r"^package\.network:build given; write FILE\.py:FUNCTION"),
        ("network.py:build()", r"^network\.py:build\(\) given; write FILE\.py:FUNCTION"),
        ("none.py:build", r"^none\.py cannot be read: No such file or directory \(paths are relative to /"),
        (".py:build", r"^\.py cannot be read: "),
    ],
)
def test_what_is_no_file_and_function_is_refused(text, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FactoryError, match=line):
        Factory.of(text)


@pytest.mark.parametrize(
    ("definition", "line"),
    [
        *(
            (
                definition,
                r"network\.py has no function build at the top level of the file; "
                r"write def build\(width, classes, shape\) there$",
            )
            for definition in ("def make(width): ...", "if True:\n    def build(width, classes, shape): ...")
        ),
        (
            "def build(width, *, classes): ...",
            r"network\.py: build does not accept shape; write def build\(",
        ),
        (
            "def build(width, /, *, classes, shape): ...",
            r"build does not accept width; write def build\(",
        ),
        ("def build(width, *, classes, shape) ...", r"network\.py, line 4: expected ':'$"),
        ("import broken_module\ndef build(width, classes, shape): ...", r"/broken_module\.py, line 2: "),
        ("import binary_module\ndef build(width, classes, shape): ...", r"network\.py or what it imports is no Python"),
    ],
    ids=[
        "no function",
        "no function at the top level",
        "no shape",
        "width by position only",
        "syntax",
        "syntax of an import",
        "no text",
    ],
)
def test_a_file_that_cannot_be_called_is_refused(definition, line, tmp_path):
    (tmp_path / "broken_module.py").write_text("\nif:\n")
    (tmp_path / "binary_module.py").write_bytes(b"name = '\xff'\n")
    with pytest.raises(FactoryError, match=line):
        factory_of(tmp_path, definition)


# Its code

FILES = {
    "network.py": (
        '"""Mine."""\nimport layers\nfrom blocks.residual import Block\n\n\ndef build(width, classes, shape): ...\n'
    ),
    "layers.py": "def layer():\n    return 1  # a number\n",
    "blocks/__init__.py": "",
    "blocks/residual.py": "from . import parts\nfrom .parts import norms as n\n\nBlock = 1\n",
    "blocks/parts/__init__.py": "ONE = 1\n",
    "blocks/parts/norms.py": "from ..scale import TWO\n",
    "blocks/scale.py": "TWO = 2\n",
    "blocks/unused.py": "THREE = 3\n",
    "train.py": "FOUR = 4\n",
}


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("network.py", "shape)", "shape, norm=1)", True),
        ("layers.py", "return 1", "return 2", True),
        ("blocks/__init__.py", "", "A = 1\n", True),
        ("blocks/residual.py", "Block = 1", "Block = 2", True),
        ("blocks/parts/__init__.py", "ONE = 1", "ONE = 2", True),
        ("blocks/parts/norms.py", "TWO", "TWO as THREE", True),
        ("blocks/scale.py", "TWO = 2", "TWO = 3", True),
        ("network.py", '"""Mine."""', '"""My own."""', False),
        ("layers.py", "  # a number", "", False),
        ("blocks/unused.py", "3", "4", False),
        ("train.py", "4", "5", False),
    ],
)
def test_the_code_of_all_that_it_imports_from_its_folder_counts(tmp_path, name, old, new, counts):
    for file, text in FILES.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    before = Factory.of(f"{tmp_path}/network.py:build").code
    (tmp_path / name).write_text(FILES[name].replace(old, new, 1))
    read_module.cache_clear()
    assert (Factory.of(f"{tmp_path}/network.py:build").code != before) == counts


# Studies

DEPTHS = {"width": 4, "depths": [4, 6, 8]}
MINE = {"hypothesis": "a", "source": "b", "reference": "baseline"}


def study_of(factory, *judged, options=None, **circumstances):
    config = default_config()
    return Study(
        config
        | {
            "network": {"factory": factory, "options": options or {}},
            "training": SAID,
            "study": ["baseline", *judged, *circumstances],
            "circumstances": config["circumstances"] | circumstances,
        },
        SCHEMA,
    )


def refusals(*arguments, **keywords):
    with pytest.raises(StudyError) as caught:
        study_of(*arguments, **keywords)
    return str(caught.value).splitlines()


@pytest.fixture
def factory(tmp_path):
    """One that accepts `norm` alone."""
    return save_factory(tmp_path, "def build(width, *, classes, shape, norm='batch'): ...\n")


@pytest.mark.parametrize("name", ["no_batch_norm", "high_learning_rate_mup", "zero_head"])
def test_a_circumstance_of_the_built_in_network_is_refused_in_one_line(factory, name):
    (line,) = refusals(factory, name)
    assert line.startswith(f"circumstances.{name}: network.")
    assert f": of the built-in network, but {factory} builds this one and accepts norm; take" in line
    assert line.endswith("take the circumstance out of `study`")


def test_growing_depth_needs_a_factory_that_accepts_it(factory, tmp_path):
    (line,) = refusals(factory, deep=MINE | DEPTHS)
    assert line == (
        f"circumstances.deep: depths: {factory} builds this one and accepts norm; let it accept depth, or take the "
        "circumstance out of `study`"
    )
    (tmp_path / "network.py").write_text("def build(width, *, classes, shape, depth=2): ...\n")
    read_module.cache_clear()
    study = study_of(factory, options={"depth": 3}, deep=MINE | DEPTHS)
    networks = [study.run_settings("deep", size, 0).network for size in study.sizes("deep")]
    assert [(network.width, network.depth) for network in networks] == [(4, 4), (4, 6), (4, 8)]
    assert study.run_settings("baseline", "width2", 0).network.depth is None


@pytest.mark.parametrize(
    ("definition", "options", "line"),
    [
        (
            "norm='batch'",
            {"dropout": 0.1},
            "network.options: dropout: not accepted by {}, which accepts norm; take it out",
        ),
        ("norm", {}, "network.options: norm: required by {}; write it in network.options"),
        ("norm=1", {"width": 2}, "network.options: width: given by the study itself; take it out"),
        ("**options", {"classes": 2}, "network.options: classes: given by the study itself; take it out"),
    ],
)
def test_options_are_checked_against_the_factory_once(tmp_path, definition, options, line):
    factory = save_factory(tmp_path, f"def build(width, *, classes, shape, {definition}): ...\n")
    assert refusals(factory, "no_l2", "warm_up", options=options) == [line.format(factory)]


def test_a_circumstance_overrides_options_one_by_one(tmp_path):
    factory = save_factory(tmp_path, "def build(width, *, classes, shape, norm, groups=4, depth=8): ...\n")
    other = MINE | {"overrides": {"network": {"options": {"norm": "batch"}}}}
    study = study_of(factory, options={"norm": "group", "groups": 2}, other=other)
    assert study.run_settings("other", "width2", 0).network.options == {"norm": "batch", "groups": 2}
    wrong = copy.deepcopy(other)
    wrong["overrides"]["network"]["options"] = {"slope": 0.1}
    (line,) = refusals(factory, options={"norm": "group"}, wrong=wrong)
    assert line == (
        f"circumstances.wrong: network.options: slope: not accepted by {factory}, which accepts norm, groups, depth; "
        "take it out"
    )


def followed_by(factory):
    """The shipped circumstances that a factory can follow, with the study of each and of baseline."""
    for name in default_config()["circumstances"]:
        with contextlib.suppress(StudyError):
            yield name, study_of(factory, name)


def test_a_network_has_one_trial_whichever_circumstances_the_study_has(factory):
    followed = dict(followed_by(factory))
    assert len(followed) > 10
    together = study_of(factory, *followed).trials
    for name, study in followed.items():
        alone = Study(default_config() | {"network": {"factory": factory}, "training": SAID, "study": [name]}, SCHEMA)
        for chosen in (study, alone):
            assert chosen.trials.keys() <= together.keys()
            trained = [chosen.run_settings(run.circumstance, run.size, run.seed) for run in chosen.runs()]
            initial = [
                chosen.start_settings(start, size) for one, start in chosen.starts.items() for size in chosen.sizes(one)
            ]
            assert {chosen.trial_name(settings) for settings in trained + initial} == chosen.trials.keys(), name
    rates = MINE | {"learning_rates": [1e-5, 2e-5, 4e-5]}
    assert study_of(factory, rates=rates).trials == study_of(factory).trials


def test_what_a_factory_does_not_use_is_told_and_what_frameworks_differ_in_is_asked(factory):
    config = default_config() | {"study": ["baseline"], "network": {"factory": factory, "stages": [1, 1]}}
    with pytest.raises(StudyError, match=r"^training\.l2, training\.l2_as: missing; with your own data or network"):
        Study(config, SCHEMA)
    study = Study(config | {"training": SAID}, SCHEMA)
    assert study.unused_settings == ["network.stages"]
    assert not study.of_the_post


# The worked examples


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_of_a_worked_example_plans_its_study(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (FOLDER / f"{name}.yaml").read_text()
    command = next(line for line in text.splitlines() if "snakemake" in line)
    files = command.partition("--configfile ")[2].strip("`").split()
    assert files[-1] == f"config/examples/{name}.yaml"
    config = default_config()
    for file in files:
        config = merge(config, yaml.safe_load((ROOT / file).read_text()))
    study = Study(config, SCHEMA)
    assert (str(study.factory), study.unused_settings) == (f"config/examples/{name}.py:build", [])
    assert study.judged[0] == "baseline"
    assert len(study.judged) >= 5
    assert len(study.seeds) >= 3
    assert len(study.widths) >= 4
