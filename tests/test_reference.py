"""The published study: how it is made, and how another is held against it."""

import hashlib
import json
import math
import shutil
import subprocess
import sys

import pandas
import pytest
from conftest import ROOT, SMOKE, run_snakemake

REFERENCE = ROOT / "results/reference"


def checksums(folder):
    """What SHA256SUMS says of each file."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


@pytest.mark.parametrize(
    "study", sorted(sums.parent for sums in REFERENCE.rglob("SHA256SUMS")), ids=lambda path: path.name
)
def test_what_is_published_is_whole(study):
    sums = checksums(study)
    files = [path for path in study.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert {str(path.relative_to(study)) for path in files} == sums.keys()
    assert {"answer.md", "study.json", "tables/verdicts.csv", "tables/runs.csv"} <= sums.keys()
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[str(path.relative_to(study))], path


def test_what_is_published_is_small():
    assert 0 < sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < 20e6


def test_a_published_study_agrees_with_itself_and_its_configuration_runs_it_again(smoke):
    command = [sys.executable, "scripts/publish.py", "smoke", "--configfile", "config/smoke.yaml"]
    done = subprocess.run(command, cwd=smoke, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reference = smoke / "results/reference/smoke"
    assert checksums(reference).keys() >= {"answer.md", "figures/loss_curves.svg", "tables/losses.csv"}
    run = json.loads((smoke / "results/smoke/runs/as_posted/width2/seed0/run.json").read_text())
    versions = json.loads((reference / "versions.json").read_text())
    assert versions == {name: [version] for name, version in run["versions"].items()}
    published = pandas.read_csv(reference / "tables/verdicts.csv")
    changed = published["feature"] == "end_value"
    published.loc[changed, ["verdict", "ci_low", "ci_high"]] = ["falls", -9, -8]
    unreached = published["feature"] == "steps_to_midway"
    assert published.loc[unreached, ["verdict", "ci_low"]].isin(["undecided", math.nan]).all(axis=None)
    published.loc[unreached, "verdict"] = "falls"
    published.to_csv(reference / "tables/verdicts.csv", index=False)
    settings = json.loads((reference / "study.json").read_text())
    settings["training"]["epochs"] = 7
    settings["circumstances"]["no_l2"]["overrides"]["training"]["l2"] = 1e-5
    (reference / "study.json").write_text(json.dumps(settings))

    compared = run_snakemake(smoke, "compare_with_reference", *SMOKE)
    assert compared.returncode == 0, compared.stdout
    differences = compared.stdout.split("Beside smoke:\n")[1]
    assert differences.startswith(
        "no_l2.overrides.training.l2: 0 here, 1e-05 published\ntraining.epochs: 2 here, 7 published\n"
    )
    assert "training.batch_size" not in differences
    table = (
        pandas.read_csv(smoke / "results/smoke/tables/comparison.csv")
        .query("published == 'smoke'")
        .reset_index(drop=True)
    )
    assert len(table) == len(published)
    assert (table.loc[changed, "agreement"] == "differs").all()
    assert (table.loc[unreached, "agreement"] == "undecided").all()
    assert (table.loc[~(changed | unreached), "agreement"] == "same verdict").all()
    # What is published later is compared with as well.
    nothing = "Nothing to be done"
    assert nothing in run_snakemake(smoke, "compare_with_reference", "--dry-run", *SMOKE).stdout
    (reference / "SHA256SUMS").write_text("")
    assert nothing not in run_snakemake(smoke, "compare_with_reference", "--dry-run", *SMOKE).stdout


def test_verdicts_of_several_studies_stand_side_by_side(finished_smoke, tmp_path):
    smoke = finished_smoke / "results/smoke"
    shutil.copytree(smoke / "tables", tmp_path / "other/tables")
    other = pandas.read_csv(smoke / "tables/verdicts.csv").query("circumstance == 'as_posted'")
    other.assign(verdict="mixed", slope_per_doubling=math.nan).to_csv(
        tmp_path / "other/tables/verdicts.csv", index=False
    )
    command = [sys.executable, "scripts/tabulate_verdicts.py", str(smoke), str(tmp_path / "other")]
    header, rule, *rows = subprocess.run(
        command, cwd=finished_smoke, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert header == "| circumstance | measure | feature | smoke | other |"
    assert rule.count("---") == 5
    assert len(rows) == len(other)
    first = other.iloc[0]
    start = f"{first['verdict']} ({first['slope_per_doubling']:+.3f})".replace("-", "−")
    assert rows[0] == f"| `as_posted` | objective | starting loss | {start} | mixed |"
    twice = subprocess.run([*command[:-1], str(smoke)], cwd=finished_smoke, capture_output=True, text=True, check=False)
    assert twice.stderr == "two of the folders have the same name; allowed: each of another\n"


def test_only_a_finished_study_is_published(checkout):
    command = [sys.executable, "scripts/publish.py", "smoke", "--configfile", "config/smoke.yaml"]
    refused = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert refused.stderr == "results/smoke/answer.md: not here; finish the study first\n"


def test_what_is_published_is_kept_until_the_study_that_replaces_it_is_whole(smoke):
    command = [sys.executable, "scripts/publish.py", "smoke", "--configfile", "config/smoke.yaml"]
    subprocess.run(command, cwd=smoke, capture_output=True, check=True)
    published = checksums(smoke / "results/reference/smoke")
    (smoke / "more.yaml").write_text("seeds: [0, 1, 7]")
    refused = subprocess.run([*command, "more.yaml"], cwd=smoke, capture_output=True, text=True, check=False)
    missing = "results/smoke/runs/as_posted/width4/seed7/run.json"
    assert refused.stderr == f"{missing}: not here; finish the study first\n"
    assert checksums(smoke / "results/reference/smoke") == published


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("training: {learning_rate: 1.0e-2}", "/run.json: computed with other settings than this study's; "),
        ("study: [as_posted]", "/tables/runs.csv: of other runs than this study's; "),
    ],
)
def test_tables_are_published_with_the_configuration_that_made_them(smoke, layer, said):
    (smoke / "other.yaml").write_text(layer)
    command = [sys.executable, "scripts/publish.py", "smoke", "--configfile", "config/smoke.yaml", "other.yaml"]
    refused = subprocess.run(command, cwd=smoke, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert not (smoke / "results/reference/smoke").exists()


@pytest.mark.parametrize("name", [".", "..", "/tmp", "config/full.yaml"])
def test_a_published_study_has_a_plain_name(smoke, name):
    command = [sys.executable, "scripts/publish.py", name, "--configfile", "config/smoke.yaml"]
    refused = subprocess.run(command, cwd=smoke, capture_output=True, text=True, check=False)
    assert refused.stderr == f"name: given {name!r}, allowed: letters, digits and underscores, in a folder or not\n"


def test_a_published_study_is_not_put_into_another_nor_over_several(smoke):
    command = [sys.executable, "scripts/publish.py", "{}", "--configfile", "config/smoke.yaml", "--tables-only"]
    for name in ("alone", "several/one"):
        subprocess.run([part.format(name) for part in command], cwd=smoke, capture_output=True, check=True)
    assert not (smoke / "results/reference/several/one/figures").exists()
    for name in ("several", "alone/tables"):
        refused = subprocess.run(
            [part.format(name) for part in command], cwd=smoke, capture_output=True, text=True, check=False
        )
        assert refused.stderr.startswith(f"results/reference/{name}: not a place for a study; ")
    assert {"answer.md", "tables/verdicts.csv"} <= checksums(smoke / "results/reference/several/one").keys()
