"""Loss curves alone: from a CSV file, or from what other programs export, to the answer, and without any training."""

import json
import os
import re

import draw_figure
import gather_curves
import judge_study
import pytest
import write_answer
import write_pages
from loss_curves import rows_of_curves, write_curves
from programs import run_program
from settings import SCHEMA, changed
from workflow.checkout import copy_checkout, copy_study, make, planned, refusal

from widthwise.study.curves import study_of

CURVES = ("--config", "curves=curves.csv")
TABLES = {
    "loss_curves": ("losses", "features", "verdicts", "runs"),
    "loss_parts": ("losses", "features", "runs"),
    "feature_trends": ("features", "verdicts", "runs"),
    "verdict_map": ("verdicts", "features"),
    "crossing": ("crossings", "features"),
}


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
    texts = ("--markdown", tmp_path / "answer.md", "--evidence", tmp_path / "evidence.md")
    run_program(write_answer, *common, *texts)
    figures = [name for name in TABLES if name != "loss_parts" or study.has_parts]
    for name in figures if study.has_verdicts else [name for name in figures if name != "verdict_map"]:
        inputs = (f"{table}={tmp_path}/tables/{table}.csv" for table in TABLES[name])
        drawing = ("--inputs", *inputs, "--figures", tmp_path / f"{name}.svg")
        run_program(draw_figure, name, "--study", tmp_path / "study.json", *drawing)
        assert "guessing" not in (tmp_path / f"{name}.svg").read_text()
    pages = [(tmp_path / name).read_text() for name in ("answer.md", "tables/verdicts.html", "tables/runs.html")]
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
