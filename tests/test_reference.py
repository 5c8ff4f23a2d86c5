"""The published study: how it is made, and how another is held against it."""

import hashlib
import json
import subprocess
import sys

import pandas
from conftest import ROOT, SMOKE, run_snakemake

REFERENCE = ROOT / "results/reference"


def checksums(folder):
    """What SHA256SUMS says of each file."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_what_is_published_is_whole_and_small():
    sums = checksums(REFERENCE)
    files = [path for path in REFERENCE.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert {str(path.relative_to(REFERENCE)) for path in files} == sums.keys()
    assert {"answer.md", "study.json", "tables/verdicts.csv", "tables/runs.csv"} <= sums.keys()
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[str(path.relative_to(REFERENCE))], path
    assert sum(path.stat().st_size for path in files) < 20e6


def test_a_published_study_agrees_with_itself_and_its_configuration_runs_it_again(smoke):
    command = [sys.executable, "scripts/publish.py", "--configfile", "config/smoke.yaml"]
    done = subprocess.run(command, cwd=smoke, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reference = smoke / "results/reference"
    assert checksums(reference).keys() >= {"answer.md", "figures/loss_curves.svg", "tables/losses.csv"}
    published = pandas.read_csv(reference / "tables/verdicts.csv")
    changed = published["feature"] == "end_value"
    published.loc[changed, ["verdict", "ci_low", "ci_high"]] = ["falls", -9, -8]
    published.to_csv(reference / "tables/verdicts.csv", index=False)
    settings = json.loads((reference / "study.json").read_text())
    settings["training"]["epochs"] = 7
    (reference / "study.json").write_text(json.dumps(settings))

    compared = run_snakemake(smoke, "compare_with_reference", *SMOKE)
    assert compared.returncode == 0, compared.stdout
    assert "training.epochs: 2 here, 7 published" in compared.stdout
    assert "training.batch_size" not in compared.stdout
    table = pandas.read_csv(smoke / "results/smoke/tables/comparison.csv")
    assert len(table) == len(published)
    assert (table["agreement"] == changed.map({True: "differs", False: "same verdict"})).all()


def test_only_a_finished_study_is_published(checkout):
    command = [sys.executable, "scripts/publish.py", "--configfile", "config/smoke.yaml"]
    refused = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert refused.stderr == "results/smoke/answer.md: not here; finish the study first\n"
