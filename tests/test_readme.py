"""What the README promises: its commands, and the texts that it explains."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas
from conftest import ROOT

README = (ROOT / "README.md").read_text()
# Snakemake's own texts, SLURM's and torch's; all others are ours.
FOREIGN = {
    "can't allocate memory",
    "CUDA out of memory",
    "Directory cannot be locked",
    "The files below seem to be incomplete",
    "No rule to produce",
    "invalid choice: 'slurm'",
    "invalid choice: 'rich'",
    "Missing files after",
}


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)[1]


def test_one_run_is_trained_and_drawn_without_snakemake(checkout):
    (commands,) = re.findall(r"```sh\n(.*?)```", section("One run without Snakemake"), re.DOTALL)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=checkout, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (checkout / "results/one/loss_curves.svg").read_bytes().startswith(b"<?xml")
    assert len((checkout / "results/one/losses.csv").read_text().splitlines()) == 7


def test_the_files_that_are_named_are_there():
    named = set(re.findall(r"(?:config|scripts|envs|tests|results/reference)/[\w/-]+\.\w+", README))
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def tables_of(text):
    """Each table of a Markdown text, whole."""
    return re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)


def test_the_tables_of_what_came_out_are_the_published_ones():
    """Each is a table of a published answer, or printed from published verdicts: whole, not a row left out."""
    sensitivity = sorted((ROOT / "results/reference/sensitivity").iterdir())
    command = [sys.executable, "scripts/tabulate_verdicts.py", *map(str, sensitivity)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    answers = [path.read_text() for path in (ROOT / "results/reference").rglob("answer.md")]
    published = {table for text in (*answers, printed) for table in tables_of(text)}
    shown = tables_of(section("What came out"))
    assert len(shown) >= 3
    assert [table for table in shown if table not in published] == []
    assert len(set(shown)) == len(shown)


# What the first paragraph tells, in its order: circumstance, measure and feature of a published study's verdicts.
TOLD = [
    ("follow_up/plateau", "fixed_std_init", "objective", "starting_loss"),
    ("follow_up/plateau", "fixed_std_init", "objective", "initial_decay"),
    ("follow_up/plateau", "fixed_std_init", "data_loss", "end_value"),
    ("headline", "as_posted", "objective", "starting_loss"),
    ("headline", "no_l2", "objective", "starting_loss"),
    ("follow_up/depths", "deep_plain", "data_loss", "end_value"),
]


def test_the_numbers_of_the_first_paragraph_are_the_published_ones():
    (paragraph,) = re.findall(r"^\*\*In short\*\*.*?\n\n", README, re.MULTILINE | re.DOTALL)
    key, expected = ["circumstance", "measure", "feature"], []
    for study, *told in TOLD:
        verdicts = pandas.read_csv(ROOT / f"results/reference/{study}/tables/verdicts.csv").set_index(key)
        expected += verdicts.loc[tuple(told), ["slope_per_doubling", "ci_low", "ci_high"]].to_list()
    assert re.findall(r"[+-]\d\.\d{3}", paragraph) == [f"{number:+.3f}" for number in expected]
    losses = pandas.read_csv(ROOT / "results/reference/follow_up/plateau/tables/losses.csv")
    ends = losses[losses["step"] == losses["step"].max()].groupby("width")[["objective", "penalty"]].mean()
    smallest, largest = ends.iloc[0], ends.iloc[-1]
    words = " ".join(paragraph.split())
    assert f"reports {largest.objective:.2f} nats to the smallest's {smallest.objective:.2f}." in words
    assert f"Of these, {largest.penalty:.2f} and {smallest.penalty:.2f} are penalty" in words


def test_the_texts_that_are_explained_are_those_that_are_printed():
    rows = re.findall(r"^\| (`.*?) \|", section("Troubleshooting"), re.MULTILINE)
    texts = {text for row in rows for text in re.findall(r"`([^`]+)`", re.sub(r"\(.*?\)", "", row))}
    assert texts > FOREIGN
    ours = [*ROOT.glob("rules/*.smk"), *ROOT.glob("scripts/**/*.py")]
    # A text may be written as several literals, one beneath the other.
    sources = re.sub(r'"\n\s*f?"', "", "\n".join(path.read_text() for path in ours))
    full_disk = os.strerror(errno.ENOSPC)
    assert {text for text in texts - FOREIGN if text.replace(full_disk, "{reason}") not in sources} == set()
