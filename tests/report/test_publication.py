"""Published studies: how they are made, and that those in the checkout are whole."""

import hashlib
import json
import lzma
from pathlib import Path

import pytest
from example_study import ROOT, example_evidence, example_study, write_record, write_results

from widthwise.report import publication
from widthwise.report.publication import PublicationError, publish

REFERENCE = ROOT / "results/reference"


def checksums(folder):
    """What SHA256SUMS says of each file."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A finished study in `results` of the working directory, with few runs."""
    monkeypatch.chdir(tmp_path)
    study = example_study(seeds=[0, 1])
    write_results(study, example_evidence(study, {}), tmp_path / "results")
    return study


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def reference(results):
    return results / "reference"


def test_what_is_published_is_whole():
    published = {path.relative_to(REFERENCE) for path in REFERENCE.rglob("*") if path.is_file()}
    listed = {Path("README.md")}
    for study in (sums.parent for sums in REFERENCE.rglob("SHA256SUMS")):
        sums = checksums(study)
        assert {"answer.md", "study.json", "tables/verdicts.csv", "tables/runs.csv"} <= sums.keys()
        for name, digest in sums.items():
            assert hashlib.sha256((study / name).read_bytes()).hexdigest() == digest, study / name
        listed |= {(study / name).relative_to(REFERENCE) for name in (*sums, "SHA256SUMS")}
    assert published == listed


def test_what_is_published_is_small():
    assert 0 < sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < publication.MOST_BYTES


def test_a_published_study_has_its_results_settings_and_versions(study, results, reference):
    said = publish(study, results, "example", tables_only=False)
    folder = reference / "example"
    assert said.startswith("results/reference/example: ")
    kept = {"answer.md", "evidence.md", "dataset/seed0.json", "figures/loss_curves.svg", "study.json", "versions.json"}
    assert checksums(folder).keys() >= kept | {"tables/verdicts.csv", "tables/losses.csv.xz"}
    assert not checksums(folder).keys() & {"tables/losses.csv", "figures/speed.svg"}
    assert (folder / "study.json").read_bytes() == (results / "study.json").read_bytes()
    versions = json.loads((folder / "versions.json").read_text())
    assert versions == {"protocol": 2, "python": ["3.11.2"], "torch": ["2.13.0"]}
    for name, digest in checksums(folder).items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_losses_are_compressed_to_the_same_bytes_every_time(study, results, reference):
    publish(study, results, "example", tables_only=True)
    path = reference / "example/tables/losses.csv.xz"
    first = path.read_bytes()
    assert lzma.decompress(first) == (results / "tables/losses.csv").read_bytes()
    assert len(first) < (results / "tables/losses.csv").stat().st_size / 10
    publish(study, results, "example", tables_only=True)
    assert path.read_bytes() == first
    assert not any("figures" in name for name in checksums(reference / "example"))


def test_every_version_that_runs_were_computed_with_is_told(study, results, reference):
    write_record(study, next(study.runs()), results, versions={"python": "3.11.2", "torch": "2.14.0"})
    publish(study, results, "example", tables_only=True)
    versions = json.loads((reference / "example/versions.json").read_text())
    assert versions["torch"] == ["2.13.0", "2.14.0"]


@pytest.mark.parametrize("name", ["answer.md", "study.json", "tables/runs.csv", "runs/baseline/width2/seed0/run.json"])
def test_only_a_finished_study_is_published(study, results, reference, name):
    publish(study, results, "example", tables_only=True)
    before = checksums(reference / "example")
    (results / name).unlink()
    with pytest.raises(PublicationError, match=f"{name}: not found; finish the study first"):
        publish(study, results, "example", tables_only=True)
    assert checksums(reference / "example") == before
    assert [path.name for path in reference.iterdir()] == ["example"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"training": {"learning_rate": 1e-2}}, "/study.json: another configuration's; "),
        ({"study": ["baseline"]}, "/study.json: another configuration's; "),
        ({"analysis": {"end_window": 0.2}}, "/study.json: another configuration's; "),
    ],
)
def test_results_are_published_with_the_configuration_that_made_them(study, results, reference, settings, said):
    with pytest.raises(PublicationError, match=said):
        publish(example_study(seeds=[0, 1], **settings), results, "example", tables_only=True)
    assert not reference.exists()


def test_tables_of_other_runs_are_refused(study, results):
    text = (results / "tables/runs.csv").read_text().splitlines(keepends=True)
    (results / "tables/runs.csv").write_text("".join(text[:-1]))
    with pytest.raises(PublicationError, match=r"/tables/runs\.csv: not the runs of this study; "):
        publish(study, results, "example", tables_only=True)


def test_a_run_with_other_settings_is_refused(study, results):
    write_record(study, next(study.runs()), results, settings={"epochs": 1})
    with pytest.raises(PublicationError, match=r"/run\.json: computed with other settings; "):
        publish(study, results, "example", tables_only=True)


@pytest.mark.parametrize("name", [".", "..", "/tmp", "config/full.yaml"])
def test_a_published_study_has_a_plain_name(study, results, name):
    with pytest.raises(PublicationError, match="not a name; write letters, digits and underscores"):
        publish(study, results, name, tables_only=True)


def test_a_study_is_not_put_into_another_nor_over_several(study, results, reference):
    for name in ("alone", "several/one"):
        publish(study, results, name, tables_only=True)
    for name in ("several", "alone/tables"):
        with pytest.raises(PublicationError, match=f"results/reference/{name}: "):
            publish(study, results, name, tables_only=True)
    assert {"answer.md", "tables/verdicts.csv"} <= checksums(reference / "several/one").keys()


def test_too_much_is_not_published(study, results, reference, monkeypatch):
    publish(study, results, "example", tables_only=True)
    size = sum(path.stat().st_size for path in reference.rglob("*") if path.is_file())
    monkeypatch.setattr(publication, "MOST_BYTES", size)
    publish(study, results, "example", tables_only=True)
    with pytest.raises(PublicationError, match="publish less"):
        publish(study, results, "another", tables_only=True)
    assert not (reference / "another").exists()
    assert (reference / "example/answer.md").exists()
