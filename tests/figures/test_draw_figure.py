"""The program that draws the figures: it reads what its inputs name, and says what is missing."""

import importlib
import re
import subprocess
import sys

import draw_figure
import h5py
import numpy
import pytest
import yaml
from figures import synthetic_study as synthetic

from widthwise.figures import FIGURES
from widthwise.study.plan import SCHEMA, Study


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_module_that_draws(name):
    figure = importlib.import_module(f"widthwise.figures.{name}")
    assert figure.__doc__
    with pytest.raises(ValueError, match="missing"):
        draw_figure.read_inputs(figure, {})


def test_inputs_are_read_by_their_endings(tmp_path):
    def read(figure, *files):
        paths = {file.split(".")[0]: tmp_path / file for file in files}
        return draw_figure.read_inputs(importlib.import_module(f"widthwise.figures.{figure}"), paths)

    tables = synthetic.make_tables(synthetic.make_study())
    for name in ("verdicts", "features"):
        tables[name].to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "summary.json").write_text('{"class_counts": {"train": [1, 2]}}')
    numpy.savez(tmp_path / "predictions.npz", **synthetic.make_predictions())
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["train/images"] = numpy.ones((2, 1, 3, 3, 3), "float32")
    table = read("verdict_map", "verdicts.csv", "features.csv")["verdicts"]
    assert len(table) == len(tables["verdicts"])
    assert table["agrees"].dtype == "boolean"
    task = read("task", "images.h5", "summary.json")
    assert task["summary"]["class_counts"]["train"] == [1, 2]
    assert task["images"]["train/images"].sum() == 54
    assert read("segmentation", "predictions.npz")["predictions"]["foreground"].shape[0] == 3


def test_an_unknown_input_is_named_with_those_that_are_known(tmp_path):
    figure = importlib.import_module("widthwise.figures.verdict_map")
    with pytest.raises(ValueError, match=r"unknown runs; widthwise\.figures\.verdict_map reads features, verdicts"):
        draw_figure.read_inputs(figure, {"verdicts": tmp_path / "verdicts.csv", "runs": tmp_path / "runs.csv"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss_curve", "--inputs", "a=b.csv"], "invalid choice: 'loss_curve'"),
        (["loss_curves", "--inputs", "losses.csv"], "write name=PATH"),
        (["loss_curves", "--inputs", "losses=losses.txt"], "ends in .csv, .json, .npz, .h5"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, message):
    command = [sys.executable, draw_figure.__file__, *arguments, "--study", "study.json", "--figures", "a.svg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_study_and_its_tables_become_a_figure_in_every_format(tmp_path):
    config = {}
    for name in ("circumstances", "config"):
        config |= yaml.safe_load((SCHEMA.parent / f"{name}.yaml").read_text())
    study = Study(config, yaml.safe_load(SCHEMA.read_text()))
    (tmp_path / "study.json").write_text(study.record)
    tables = synthetic.make_tables(synthetic.make_study(judged=study.judged))
    for name in ("losses", "features", "runs"):
        tables[name].to_csv(tmp_path / f"{name}.csv", index=False)
    command = [sys.executable, draw_figure.__file__, "loss_parts", "--study", "study.json", "--inputs"]
    command += [f"{name}={name}.csv" for name in ("losses", "features", "runs")]
    command += ["--figures", "loss_parts.svg", "loss_parts.pdf", "loss_parts.png", "loss_parts.rst"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    finding, *reading = (tmp_path / "loss_parts.rst").read_text().splitlines()
    assert re.fullmatch(r"\*\*.* of the largest network's .* nats at the end is penalty.*\.\*\*", finding)
    assert "\n".join(reading).strip() == importlib.import_module("widthwise.figures.loss_parts").__doc__.strip()
    for ending, signature in ((".svg", b"<?xml"), (".pdf", b"%PDF-"), (".png", b"\x89PNG")):
        assert (tmp_path / f"loss_parts{ending}").read_bytes().startswith(signature)


def test_many_circumstances_get_a_page_for_each_family(tmp_path):
    names = ["baseline", *(f"other_{place}" for place in range(8))]
    study = synthetic.make_study(judged=names, families=3)
    tables = synthetic.make_tables(study)
    inputs = {name: tables[name] for name in ("losses", "features", "verdicts", "runs")}
    pages = study.pages(study.judged)
    assert pages == [family.replace(" ", "_") for family in study.families]
    figure = importlib.import_module("widthwise.figures.loss_curves")
    for page, (family, circumstances) in zip(pages, study.families.items(), strict=True):
        path = tmp_path / f"loss_curves_{page}.svg"
        draw_figure.draw_page(figure, study.on_page(page), inputs, [path, path.with_suffix(".rst")])
        drawn = path.read_text()
        shown = [title for title in study.titles(names) if f">{title}<" in drawn]
        assert shown == study.titles(circumstances)
        assert path.with_suffix(".rst").read_text().startswith(f"**{family.capitalize()}: in larger networks")


def test_few_circumstances_have_one_page():
    study = synthetic.make_study()
    assert study.pages(study.judged) == [""]
    assert study.on_page("") is study
