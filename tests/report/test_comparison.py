"""One study beside published ones, and several side by side."""

import json
import math
import subprocess
import sys

import pandas
import pytest
from example_study import ROOT, example_evidence, example_study, write_results

from widthwise.report.comparison import ComparisonError, compare_with_published, setting_differences, side_by_side

DATA_END = ("data_loss", "end_value")


def finished(folder, changes, **settings):
    """A finished study in this folder."""
    study = example_study(**settings)
    write_results(study, example_evidence(study, changes), folder)
    return folder


def change_rows(folder, where, **values):
    path = folder / "tables/verdicts.csv"
    table = pandas.read_csv(path)
    for column, value in values.items():
        table.loc[table.eval(where), column] = value
    table.to_csv(path, index=False)


def test_a_verdict_agrees_if_it_is_the_same_or_the_intervals_of_the_change_overlap(tmp_path):
    ours = finished(tmp_path / "ours", {"no_l2": {DATA_END: -0.1}})
    published = finished(tmp_path / "published/other", {"no_l2": {DATA_END: -0.5}})
    change_rows(published, "circumstance == 'baseline' and feature == 'end_value'", verdict="undecided")
    change_rows(
        published, "circumstance == 'no_l2' and feature == 'starting_loss'", verdict="rises", ci_low=0.2, ci_high=0.3
    )
    change_rows(published, "feature == 'steps_to_midway'", verdict="undecided", ci_low=-math.inf, ci_high=math.inf)
    text = "\n".join(compare_with_published(ours, tmp_path / "published"))
    assert "Compared with other:" in text
    assert "| `baseline` | data loss, end | flat (0.000 [−0.010, +0.010]) |" in text
    assert text.count("| intervals overlap |") == 3
    assert text.count("| undecided |") == 2
    assert text.count("| differs |") == 3
    assert text.endswith("24 verdicts: 16 same verdict, 3 intervals overlap, 3 differs, 2 undecided")
    # Both fall, but their intervals are apart: the verdict is the same.
    assert "| `no_l2` | data loss, end |" not in text


@pytest.mark.parametrize(
    ("ours", "published", "agreement"),
    [
        (("diverged", -math.inf, math.inf), ("falls", -0.6, -0.4), "differs"),
        (("diverged", -math.inf, math.inf), ("diverged", -math.inf, math.inf), "same verdict"),
        (("diverged", -math.inf, math.inf), ("undecided", -0.1, 0.1), "undecided"),
        (("rises", 0.2, math.inf), ("falls", -0.6, -0.4), "differs"),
        (("rises", 0.2, math.inf), ("undecided", -0.1, 0.3), "intervals overlap"),
        (("undecided", 0.2, 0.4), ("falls", -0.6, -0.4), "differs"),
    ],
)
def test_an_interval_without_bounds_overlaps_with_none(tmp_path, ours, published, agreement):
    folders = {"ours": ours, "published/other": published}
    for name, (verdict, low, high) in folders.items():
        change_rows(finished(tmp_path / name, {}), "index == 0", verdict=verdict, change=None, ci_low=low, ci_high=high)
    *_, counts = compare_with_published(tmp_path / "ours", tmp_path / "published")
    assert counts == "24 verdicts: " + (
        "24 same verdict" if agreement == "same verdict" else f"23 same verdict, 1 {agreement}"
    )


def test_a_study_of_curves_is_compared_without_its_settings(tmp_path):
    published = finished(tmp_path / "published/other", {})
    curves = finished(tmp_path / "curves", {})
    (curves / "study.json").write_text(json.dumps({"curves": "losses.csv", "circumstances": {}, "found": {}}))
    text = "\n".join(compare_with_published(curves, tmp_path / "published"))
    assert "Settings are not compared: a study of loss curves does not tell them." in text
    assert "24 verdicts: 24 same verdict" in text
    (published / "study.json").rename(tmp_path / "study.json")
    with pytest.raises(ComparisonError, match="no published study has a verdict in common"):
        list(compare_with_published(curves, tmp_path / "published"))


def test_studies_differ_in_named_settings(tmp_path):
    ours = finished(tmp_path / "ours", {})
    overrides = {"no_l2": {"hypothesis": "x", "source": "x", "reference": "baseline", "expectation": {"objective": {}}}}
    overrides["no_l2"]["overrides"] = {"training": {"l2": 1e-5}}
    circumstances = example_study().config["circumstances"] | overrides
    other = finished(tmp_path / "published/other", {}, training={"epochs": 7}, circumstances=circumstances)
    text = "\n".join(compare_with_published(ours, tmp_path / "published"))
    assert "circumstances.no_l2.overrides.training.l2: 0 here, 1e-5 published" in text
    assert "training.epochs: 3 here, 7 published" in text
    assert "training.batch_size" not in text
    settings = json.loads((other / "study.json").read_text())
    assert setting_differences(settings, settings) == []


def test_published_studies_in_a_folder_of_their_own_are_left_out(tmp_path):
    ours = finished(tmp_path / "ours", {})
    finished(tmp_path / "published/sensitivity/harder", {})
    with pytest.raises(ComparisonError, match="no published study has a verdict in common with"):
        list(compare_with_published(ours, tmp_path / "published"))


def test_an_unfinished_study_is_not_compared(tmp_path):
    with pytest.raises(ComparisonError, match=r"tables/verdicts\.csv: not found; finish the study first"):
        list(compare_with_published(tmp_path, tmp_path))


def test_several_studies_stand_side_by_side(tmp_path):
    one = finished(tmp_path / "one", {"baseline": {DATA_END: -0.1}})
    other = finished(tmp_path / "other", {"baseline": {DATA_END: -0.2}}, study=["baseline"])
    change_rows(other, "feature == 'starting_loss'", verdict="diverged", change=None)
    header, _, *rows = side_by_side([one, other]).splitlines()
    assert header == "| circumstance | loss, feature | one | other |"
    assert len(rows) == 12
    assert rows[0] == "| `baseline` | reported loss, start | flat (0.000 [−0.010, +0.010]) | diverged |"
    assert "| falls (−0.100 [−0.110, −0.090]) | falls (−0.200 [−0.210, −0.190]) |" in "\n".join(rows)
    with pytest.raises(ComparisonError, match="folder names must be unique"):
        side_by_side([one, tmp_path / "elsewhere/one"])


def test_the_command_compares_folders(tmp_path):
    folders = [finished(tmp_path / name, {}) for name in ("one", "other")]
    command = [sys.executable, "scripts/study.py", "compare"]
    done = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == side_by_side(folders) + "\n"
    missing = subprocess.run([*command, tmp_path / "none"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert missing.stderr == f"{tmp_path}/none/tables/verdicts.csv: not found; finish the study first\n"
    assert missing.returncode != 0
