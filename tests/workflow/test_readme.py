"""What the READMEs say to run runs, what they show is valid, and what they link to is there."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy
import pandas
import pytest
import torch
import yaml
from settings import SCHEMA, default_config, load
from snakemake.utils import update_config
from workflow.checkout import LAST_STEP, ROOT

from widthwise.analysis.tables import rows_with
from widthwise.figures import FIGURES
from widthwise.study.curves import study_of
from widthwise.study.curves_file import CurvesFile

NOT_OURS = {".git", ".snakemake", ".venv", "node_modules"}
READMES = sorted(path for path in ROOT.rglob("README.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))


def blocks(language):
    """The code blocks in this language, of all READMEs."""
    return [block for path in READMES for block in re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT).parent))
def test_what_is_linked_to_is_there(readme):
    links = re.findall(r"\]\((?!\w+:)([^)#]+)", readme.read_text())
    assert [link for link in links if not (readme.parent / link).exists()] == []


# What README says of the smallest and the largest network: study, circumstance, measure, feature.
TOLD = {
    "at 13 voxels ({} and {} at the end)": ("catalogue", "fixed_std_init", "objective", "end_value"),
    "it starts higher, {} and {},": ("as_posted", "fixed_std_init", "objective", "starting_loss"),
    "the end is *mixed*: {} and {} (": ("as_posted", "fixed_std_init", "objective", "end_value"),
    "the data losses {} and {}, not": ("as_posted", "fixed_std_init", "data_loss", "end_value"),
    "(Keras' default) the largest ends lower, {} and {};": ("as_posted", "baseline", "objective", "end_value"),
    "after 9,216 steps {} and {} (0.090 of": ("penalty", "fixed_std_init", "objective", "end_value"),
    "with Glorot {} and {}, with": ("penalty", "baseline", "objective", "end_value"),
    "with ten times lambda {} and {}.": ("penalty", "fixed_std_strong_l2", "objective", "end_value"),
    "untrained, {} and {} are reported": ("catalogue", "fixed_std_init", "objective", "starting_loss"),
    "but the data losses are {} and {}.": ("catalogue", "fixed_std_init", "data_loss", "starting_loss"),
    "8 end at a data loss of {}, 56 at {};": ("catalogue", "deep_plain", "data_loss", "end_value"),
    "with shortcuts {} and {}.": ("catalogue", "deep_residual", "data_loss", "end_value"),
}


def said_in_the_readme(words, smallest, largest):
    """Whether the main README says these words of two losses."""
    return words.format(f"{smallest:.3f}", f"{largest:.3f}") in " ".join((ROOT / "README.md").read_text().split())


@pytest.mark.parametrize(("words", "told"), TOLD.items(), ids=map(" ".join, TOLD.values()))
def test_the_losses_of_the_answer_are_those_of_the_published_studies(words, told):
    study, circumstance, measure, feature = told
    features = pandas.read_csv(ROOT / f"results/reference/{study}/tables/features.csv")
    rows = rows_with(features, circumstance=circumstance, measure=measure, feature=feature)
    smallest, largest = rows.sort_values("parameters")["mean"].iloc[[0, -1]]
    assert said_in_the_readme(words, smallest, largest)


def test_the_ends_at_learning_rates_are_those_of_the_published_study():
    tables = ROOT / "results/reference/rates/tables"
    runs = rows_with(pandas.read_csv(tables / "runs.csv"), circumstance="learning_rates_0.00256")
    choices = rows_with(pandas.read_csv(tables / "learning_rate_choices.csv"), grid="learning_rates")
    at_one_rate = runs.groupby("width")["data_loss_end_value"].mean()
    at_its_best = choices.groupby("width")["end_value"].mean()
    assert said_in_the_readme("most clearly at 2.6e-3, {} and {};", *at_one_rate.iloc[[0, -1]])
    assert said_in_the_readme("each width at its own best rate {} and {}.", *at_its_best.iloc[[0, -1]])


def test_tables_of_files_name_each_file():
    (row,) = re.findall(r"^\| `results/figures/.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(FIGURES)
    for folder, extension in (("scripts", "py"), ("rules", "smk")):
        rows = re.findall(rf"^\| \[`(\w+\.{extension})`\]", (ROOT / folder / "README.md").read_text(), re.MULTILINE)
        assert sorted(rows) == sorted(path.name for path in (ROOT / folder).glob(f"*.{extension}"))


def test_the_diagnosis_costs_what_the_guide_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("def build(width, *, classes, shape): ...\n")
    config = default_config()
    training = {"l2": 1e-4, "l2_as": "loss"}
    own = {"network": {"factory": "net.py:build"}, "dataset": {"path": "mine.npz"}, "training": training}
    for layer in (load("studies/diagnose.yaml"), own):
        update_config(config, layer)
    study = study_of(config, SCHEMA)
    epochs = {name: study.circumstances[name].training.epochs for name in study.judged}
    told = re.search(r"about (\d+) times your own settings", (ROOT / "config/README.md").read_text())
    assert int(told[1]) == sum(epochs.values()) / epochs["baseline"]


def test_the_programs_work_without_snakemake(smoke):
    commands = [block for block in blocks("sh") if re.search(r"^python scripts/(?!study)", block, re.MULTILINE)]
    assert len(commands) >= 2
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        done = subprocess.run(
            ["bash", "-euc", command], cwd=smoke, env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len((smoke / "results/one/losses.csv").read_text().splitlines()) == LAST_STEP + 2
    assert len(list((smoke / "results/one").glob("*.svg"))) == 1


@pytest.mark.parametrize("block", blocks("yaml"))
@pytest.mark.parametrize("layers", [(), ("studies/diagnose.yaml",)], ids=["alone", "diagnosed"])
def test_a_configuration_that_is_shown_is_a_study(block, layers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_network.py").write_text("def build(width, *, classes, shape, norm='batch'): ...\n")
    Path("curves.csv").write_text(
        "size,epoch,loss\n" + "".join(f"{size},{epoch},1\n" for size in "123" for epoch in "12")
    )
    config = default_config()
    for layer in (*map(load, layers), yaml.safe_load(block)):
        update_config(config, layer)
    assert study_of(config, SCHEMA).judged[0] == "baseline"


def test_the_factory_that_is_shown_builds_networks():
    (factory,) = [block for block in blocks("python") if "def build" in block]
    names = {}
    exec(factory, names)
    for norm in ("batch", "group"):
        network = names["build"](8, classes=3, shape=(2, 9, 7), norm=norm)
        assert network(torch.randn(4, 2, 9, 7)).shape == (4, 3)


def test_the_lines_that_split_a_loss_split_it(capsys):
    (snippet,) = [block for block in blocks("python") if "import torch" in block]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    loader = [(torch.randn(8, 3), torch.randint(2, (8,))) for _ in range(3)]
    exec(snippet, {"model": model, "loader": loader, "classes": 2, "l2": 0.01})
    data_loss, penalty, objective, guessing = map(float, re.findall(r"\d+\.\d+", capsys.readouterr().out))
    squares = sum(layer.weight.square().sum().item() for layer in (model[0], model[2]))
    assert penalty == pytest.approx(0.01 * squares, abs=1e-3)
    assert objective == pytest.approx(data_loss + penalty, abs=2e-3)
    assert guessing == pytest.approx(0.693)
    assert 0.3 < data_loss < 2


def test_the_lines_that_split_a_loss_of_keras_split_it(capsys):
    (snippet,) = [block for block in blocks("python") if "model.losses" in block]
    # The sum of model.losses before the first step, and after training; the loss that Keras reports holds it.
    penalties, weight_norms = {"before": 0.4, "after": 0.1}, {"now": "before"}

    def train_on_batch(images, labels, return_dict):
        assert return_dict
        return {"loss": 0.7 + penalties["before"]}

    def fit(*_):
        weight_norms["now"] = "after"
        return SimpleNamespace(history={"loss": [0.9, 0.35 + penalties["after"]]})

    class Model:
        @property
        def losses(self):
            return [numpy.float32(penalties[weight_norms["now"]] / 2)] * 2

    model = Model()
    model.train_on_batch, model.fit = train_on_batch, fit
    exec(snippet, {"model": model, "images": None, "labels": None, "classes": 5})
    start, before, guessing, end, after = map(float, re.findall(r"\d+\.\d+", capsys.readouterr().out))
    assert (start, before, end, after) == (0.7, 0.4, 0.35, 0.1)
    assert guessing == pytest.approx(math.log(5), abs=1e-3)


def loss_of(size, seed, step):
    """A loss that falls; the last run diverges at its end."""
    return math.nan if (size, seed, step) == (32, 2, 3) else 1 / size + seed - 0.1 * step


def keras_log(size, seed):
    """What CSVLogger writes."""
    rows = [{"epoch": epoch, "accuracy": 0.5, "loss": loss_of(size, seed, epoch)} for epoch in range(4)]
    pandas.DataFrame(rows).to_csv(f"log{size}_{seed}.csv", index=False, na_rep="nan")


def wandb_module():
    """What `wandb.Api().runs` gives of six runs."""

    def run(size, seed):
        rows = pandas.DataFrame({"_step": range(4), "loss": [loss_of(size, seed, step) for step in range(4)]})
        return SimpleNamespace(config={"width": size, "seed": seed}, history=lambda keys: rows[["_step", *keys]])

    runs = [run(size, seed) for size in (8, 16, 32) for seed in (0, 1, 2)]
    module = ModuleType("wandb")
    module.Api = lambda: SimpleNamespace(runs=lambda project: runs)
    return module


def accumulator_of(folder):
    """What TensorBoard's EventAccumulator gives of a folder."""
    size, seed = map(int, Path(folder).name.split("_"))
    events = [SimpleNamespace(step=step, value=loss_of(size, seed, step)) for step in range(4)]
    return SimpleNamespace(Reload=lambda: SimpleNamespace(Scalars=lambda tag: events))


def test_logs_of_keras_wandb_and_tensorboard_become_curves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = "tensorboard.backend.event_processing.event_accumulator"
    for name in ("tensorboard", "tensorboard.backend", "tensorboard.backend.event_processing", module):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[module].EventAccumulator = accumulator_of
    monkeypatch.setitem(sys.modules, "wandb", wandb_module())
    for size in (8, 16, 32):
        for seed in (0, 1, 2):
            keras_log(size, seed)
    conversions = [block for block in blocks("python") if "curves.csv" in block]
    assert len(conversions) == 3
    for conversion in conversions:
        exec(conversion, {})
        file = CurvesFile.read("curves.csv")
        assert file.seeds == [0, 1, 2]
        assert file.sizes == {"baseline": {"8": 8, "16": 16, "32": 32}}
        assert file.runs["baseline"]["16", 2].losses["objective"] == pytest.approx([2.0625, 1.9625, 1.8625, 1.7625])
        assert [run for run, curve in file.runs["baseline"].items() if curve.diverged] == [("32", 2)]
        Path("curves.csv").unlink()
