"""Reading a study by hand: layers as Snakemake lays them, and every error in one line, without a traceback."""

import re
import shutil
import subprocess
import sys

import pytest
from settings import ROOT, default_config, default_study

from widthwise.study.command_line import configured_study, results_folder


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the Snakefile and the configuration files, where the program runs."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copy(ROOT / "Snakefile", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def layer(checkout, name, text):
    path = checkout / name
    path.write_text(text)
    return path


def error_of(configfiles, assignments=()):
    with pytest.raises(SystemExit) as caught:
        configured_study(configfiles, assignments)
    return caught.value.code


def test_without_files_it_is_the_default_study(checkout):
    study = configured_study([])
    assert study.record == default_study().record
    assert results_folder(study).as_posix() == "results"


def test_the_defaults_are_the_snakefiles(checkout):
    files = re.findall(r'^configfile: "(.+)"$', (ROOT / "Snakefile").read_text(), re.MULTILINE)
    assert files == ["config/circumstances.yaml", "config/config.yaml"]
    assert set(default_config()) == {"widths", "seeds", "study", "circumstances", "claims"}


def test_a_later_file_goes_before_an_earlier_one(checkout):
    first = layer(checkout, "first.yaml", "training: {epochs: 5, batch_size: 4}\nwidths: [2, 4, 6]\n")
    second = layer(checkout, "second.yaml", "training: {epochs: 6}\nseeds: [7, 8]\npathvars: {results: there}\n")
    study = configured_study([first, second])
    training = study.circumstances["no_l2"].training
    assert (training.epochs, training.batch_size, study.widths, study.seeds) == (6, 4, [2, 4, 6], [7, 8])
    assert results_folder(study).as_posix() == "there"


def test_null_takes_back_what_an_earlier_file_says(checkout):
    first = layer(checkout, "first.yaml", "training: {epochs: 5}\n")
    second = layer(checkout, "second.yaml", "training: {epochs: null}\ncircumstances: {he_init: null}\n")
    study = configured_study([first, second])
    assert study.circumstances["no_l2"].training.epochs == 3
    assert "he_init" not in study.config["circumstances"]


def test_errors_are_lines(checkout):
    text = error_of([layer(checkout, "mine.yaml", "widths: [2, 2, 3]\ntraining: {epoch: 3}\n")])
    first, *lines = text.splitlines()
    assert first == "The configuration has errors:"
    assert [line.split(":")[0] for line in lines] == ["training.epoch", "widths"]


@pytest.mark.parametrize("content", [None, "a folder", b"widths: [2, 3\n", b"a: \xff\n", b"a: 2024-13-01\n"])
def test_a_file_that_cannot_be_read_is_named(checkout, content):
    path = checkout / "mine.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    (line,) = error_of([path]).splitlines()
    assert line.startswith(f"{path}: ")


def test_assignments_are_checked_as_snakemake_checks_them(checkout):
    assert configured_study([], ["device=cpu"]).config["device"] == "cpu"
    assert error_of([], ["nonsense"]).startswith("--config: ")
    assert error_of([], ["classes=3"]).splitlines()[1] == (
        "classes: given without curves; the data themselves tell how many there are: leave it out"
    )
    curves = layer(checkout, "a.csv", "size,step,loss\n" + "".join(f"{n},{s},1\n" for n in (1, 2, 3) for s in (0, 1)))
    assert error_of([], [f"curves={curves}"]).startswith("curves: nothing is trained, so there is nothing to tell; ")


@pytest.mark.parametrize("arguments", [("estimate", "--cores", "0"), ("status", "--watch", "-1")])
def test_a_number_is_above_0(arguments):
    command = [sys.executable, "scripts/study.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.endswith(f"argument {arguments[1]}: {arguments[2]} given; write a number above 0\n")


def test_it_runs_in_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert error_of([]) == f"Snakefile: not found in {tmp_path}; run this in the checkout, where snakemake runs"
