"""Loss curves alone: from a CSV file, or from what other programs export, to the answer, and without any training."""

import json
import os
import re
import subprocess
import sys

import draw_figure
import gather_curves
import judge_study
import numpy
import pandas
import pytest
import write_answer
import write_pages
from loss_curves import rows_of_curves, write_curves
from programs import run_program
from settings import SCHEMA, changed
from workflow.checkout import copy_checkout, copy_study, make, planned, refusal

from widthwise.study.curves import study_of

CURVES = ("--config", "curves=curves.csv")
# How exports become the CSV file that `curves` names, one command each, as the guide has them.
KERAS = (
    "import glob, re, pandas; "
    "pandas.concat(pandas.read_csv(f).assign(**re.search(r'width(?P<size>\\d+)-seed(?P<seed>\\d+)', f).groupdict()) "
    "for f in glob.glob('logs/*.csv')).to_csv('curves.csv', index=False, na_rep='nan')"
)
TENSORBOARD = (
    "import glob, re, pandas; "
    "pandas.concat(pandas.read_csv(f).rename(columns={'Step': 'step', 'Value': 'loss'})"
    ".assign(**re.search(r'width(?P<size>\\d+)-seed(?P<seed>\\d+)', f).groupdict()) "
    "for f in glob.glob('logs/*.csv')).to_csv('curves.csv', index=False, na_rep='nan')"
)
WANDB = (
    "import pandas; "
    "t = pandas.read_csv('wandb.csv', index_col='Step', keep_default_na=False, na_values=['']).filter(regex=' - loss$')"
    ".melt(var_name='run', value_name='loss', ignore_index=False).dropna().reset_index(names='step'); "
    "t.join(t['run'].str.extract(r'width(?P<size>\\d+)-seed(?P<seed>\\d+)')).to_csv('curves.csv', index=False)"
)
TABLES = {
    "loss_curves": ("losses", "features", "verdicts", "runs"),
    "loss_parts": ("losses", "features", "runs"),
    "feature_trends": ("features", "verdicts", "runs"),
    "verdict_map": ("verdicts", "features"),
    "crossing": ("crossings", "features"),
}


def convert(command, folder):
    subprocess.run([sys.executable, "-c", command], cwd=folder, check=True)
    return folder / "curves.csv"


def losses_of_runs(sizes=(8, 16, 32), seeds=(0, 1), epochs=12):
    """Losses of each run, by its name: they rise with the size."""
    return {
        f"width{size}-seed{seed}": [1 / (1 + epoch) + 0.1 * numpy.log2(size) + 0.01 * seed for epoch in range(epochs)]
        for size in sizes
        for seed in seeds
    }


def keras_logs(folder):
    """What Keras' CSVLogger writes, one file for each run; one run diverges."""
    (folder / "logs").mkdir(parents=True)
    for name, losses in losses_of_runs().items():
        table = pandas.DataFrame({"epoch": range(len(losses)), "accuracy": 0.5, "loss": losses, "val_loss": losses})
        if name == "width32-seed1":
            table.loc[6:, "loss"] = numpy.nan
        table.to_csv(folder / "logs" / f"{name}.csv", index=False, na_rep="nan")


def tensorboard_logs(folder):
    """What TensorBoard offers for download, one file for each run."""
    (folder / "logs").mkdir(parents=True)
    for name, losses in losses_of_runs().items():
        table = pandas.DataFrame({"Wall time": 1.7e9, "Step": range(len(losses)), "Value": losses})
        table.to_csv(folder / "logs" / f"run-{name}-tag-epoch_loss.csv", index=False)


def wandb_export(folder):
    """What W&B exports of a chart: a column for each run, empty where it logged nothing."""
    table = pandas.DataFrame({"Step": range(24)})
    for place, (name, losses) in enumerate(losses_of_runs().items()):
        column = pandas.Series(index=table.index, dtype=object)
        column[place % 2 :: 2] = losses
        if name == "width32-seed1":
            column[13::2] = "NaN"
        table[f"{name} - loss"] = table[f"{name} - loss__MIN"] = table[f"{name} - loss__MAX"] = column
    table.to_csv(folder / "wandb.csv", index=False)


@pytest.mark.parametrize(
    ("export", "command", "time", "diverged"),
    [
        (keras_logs, KERAS, "epoch", ["32"]),
        (tensorboard_logs, TENSORBOARD, "step", []),
        (wandb_export, WANDB, "step", ["32"]),
    ],
)
def test_exports_become_curves_by_one_command(tmp_path, export, command, time, diverged):
    export(tmp_path)
    path = convert(command, tmp_path)
    study = study_of(changed(("curves", str(path)), ("classes", 2)), SCHEMA)
    assert (study.sizes("baseline"), study.seeds, study.step_name) == (["8", "16", "32"], [0, 1], time)
    run_program(gather_curves, "--study", written(study, tmp_path), "--tables", tables_of(tmp_path))
    runs = pandas.read_csv(tmp_path / "tables/runs.csv", dtype={"size": str})
    assert list(runs.loc[runs["diverged"], "size"]) == diverged
    ends = runs[~runs["diverged"]].groupby("parameters")["objective_end_value"].mean()
    assert (ends.diff().dropna() > 0.09).all()


# Few columns, few seeds, few sizes


def written(study, folder):
    (folder / "study.json").write_text(study.record)
    return folder / "study.json"


def tables_of(folder):
    (folder / "tables").mkdir(exist_ok=True)
    return folder / "tables"


BASELINE = rows_of_curves(penalties={"baseline": 0.1}, steps=range(0, 101, 5))
EPOCHS = [row | {"epoch": row["step"] // 5} for row in BASELINE]
FEW = {
    "epochs of one seed": ([row for row in EPOCHS if row["seed"] == 1], ("size", "epoch", "loss")),
    "two sizes": ([row for row in BASELINE if row["size"] in (8, 64)], ("size", "seed", "step", "loss", "penalty")),
    "other steps": (
        [row for row in BASELINE if row["step"] % (5 + 5 * row["seed"]) == 0 and row["step"] <= 100 - row["seed"]],
        ("parameters", "seed", "step", "loss"),
    ),
}


@pytest.mark.parametrize(("rows", "columns"), FEW.values(), ids=FEW)
def test_few_columns_seeds_and_sizes_have_pages_figures_and_an_answer(tmp_path, rows, columns):
    path = write_curves(tmp_path / "curves.csv", rows, columns)
    study = study_of(changed(("curves", str(path))), SCHEMA)
    common = ("--study", written(study, tmp_path), "--tables", tables_of(tmp_path))
    for program in (gather_curves, judge_study):
        run_program(program, *common)
    run_program(write_pages, *common, "--explorer", tmp_path / "explorer.html")
    texts = (f"--{name}={tmp_path}/answer.{name}" for name in ("markdown", "html"))
    run_program(write_answer, *common, *texts, "--evidence", tmp_path / "evidence.md")
    figures = [name for name in TABLES if name != "loss_parts" or study.has_parts]
    for name in figures if study.has_verdicts else [name for name in figures if name != "verdict_map"]:
        inputs = (f"{table}={tmp_path}/tables/{table}.csv" for table in TABLES[name])
        drawing = ("--inputs", *inputs, "--figures", tmp_path / f"{name}.svg")
        run_program(draw_figure, name, "--study", tmp_path / "study.json", *drawing)
        assert "guessing" not in (tmp_path / f"{name}.svg").read_text()
    pages = [(tmp_path / name).read_text() for name in ("answer.markdown", "tables/verdicts.html", "tables/runs.html")]
    assert not re.search(r"\bnan\b|<NA>|None\b(?! of)", " ".join(pages))
    assert all(sentence in pages[0] for sentence in study.limitations)
    explorer = json.loads((tmp_path / "explorer.html").read_text().split("const study = ", 1)[1].split(";\n", 1)[0])
    assert explorer["guessing"] is None
    assert set(explorer["measures"]) == set(study.measures)


# The workflow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout whose study of curves is done."""
    folder = copy_checkout(tmp_path_factory.mktemp("curves") / "checkout")
    write_curves(folder / "curves.csv", rows_of_curves(steps=range(0, 101, 5)))
    make(folder, *CURVES, "classes=2")
    return folder


@pytest.fixture
def mine(finished, tmp_path):
    return copy_study(finished, tmp_path / "mine")


def test_curves_go_the_whole_way_to_the_answer(finished):
    results = finished / "results"
    figures = {path.stem for path in (results / "figures").iterdir()}
    assert figures == {"loss_curves", "loss_parts", "penalty_left", "feature_trends", "verdict_map", "crossing"}
    assert not {"dataset", "runs", "starts"} & {path.name for path in results.iterdir()}
    answer = (results / "answer.md").read_text()
    assert "the larger the network, the higher its loss ends" in answer
    assert "curves.csv" in answer
    assert "438992" not in answer
    assert (results / "explorer.html").exists()


def touch(folder):
    os.utime(folder / "curves.csv")


def change_a_loss(folder):
    path = folder / "curves.csv"
    path.write_text(path.read_text().replace("baseline,8,6400,0,100,", "baseline,8,6400,0,100,0"))


@pytest.mark.parametrize(("change", "gathered"), [(touch, 0), (change_a_loss, 1)])
def test_a_file_is_known_by_its_content(mine, change, gathered):
    change(mine)
    assert planned(mine, *CURVES, "classes=2").get("gather_curves", 0) == gathered


def test_a_fault_is_told_before_any_job(mine):
    with (mine / "curves.csv").open("a") as stream:
        stream.write("baseline,8,6400,0,100,0.1,0\n")
    output = refusal(mine, *CURVES)
    assert re.search(
        r"^curves: curves\.csv, line \d+: step 100 of baseline, size 8, seed 0 again", output, re.MULTILINE
    )
    (mine / "mine.yaml").write_text("curves: none.csv\n")
    assert "curves: none.csv cannot be read: No such file" in refusal(mine, "--configfile", "mine.yaml")
