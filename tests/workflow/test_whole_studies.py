"""Studies that go the whole way from nothing, and what stops one before any job."""

import re

import numpy
import pandas
import pytest
from workflow.checkout import RESULTS, SMOKE, copy_checkout, job_counts, make, refusal, run_snakemake

from widthwise.figures import FIGURES

# Depth, a grid of learning rates and a coordinate check, in as few runs as they can be had.
EVERYTHING = """
pathvars: {results: results/all of it}
study: [deep_plain, learning_rates_mup]
training: {epochs: 4}
analysis: {end_window: 0.25, coordinate_check: {circumstances: [no_l2]}}
circumstances:
  deep_plain: {depths: [4, 6, 8], width: 2}
  learning_rates: {learning_rates: [1.0e-3, 2.0e-3, 4.0e-3]}
  learning_rates_mup: {learning_rates: [1.0e-3, 2.0e-3, 4.0e-3]}
"""
WITH_SPACES = "results/all of it"


def table(path):
    return pandas.read_csv(path)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A finished study of depth and learning rates, in folders with spaces; a figure was asked for first."""
    checkout = copy_checkout(tmp_path_factory.mktemp("a place") / "a checkout")
    (checkout / "every thing.yaml").write_text(EVERYTHING)
    study = (*SMOKE, "every thing.yaml")
    counts = job_counts(make(checkout, f"{WITH_SPACES}/figures/depth_trend.pdf", *study))
    assert counts.keys().isdisjoint({"task", "write_answer", "loss_curves"})
    figures = {path.name for path in (checkout / WITH_SPACES / "figures").iterdir()}
    assert figures == {f"depth_trend.{extension}" for extension in ("svg", "pdf", "png", "rst")}
    make(checkout, *study)
    assert "Nothing to be done" in make(checkout, "--dry-run", *study)
    return checkout


def test_folders_with_spaces_hold_all_results_and_nothing_lies_elsewhere(everything):
    assert {path.name for path in everything.iterdir()} == {
        ".snakemake", "Snakefile", "config", "envs", "rules", "scripts", "results", "every thing.yaml"
    }  # fmt: skip
    assert [path.name for path in (everything / "results").iterdir()] == ["all of it"]
    results = everything / WITH_SPACES
    for name in ("answer.md", "answer.html", "evidence.md", "evidence.html", "explorer.html", "tables/literature.csv"):
        assert (results / name).stat().st_size > 0


def test_depth_grows_in_place_of_width(everything):
    runs = table(everything / WITH_SPACES / "tables/runs.csv").query("circumstance == 'deep_plain'")
    assert dict(zip(runs["size"], runs["depth"], strict=True)) == {"depth4": 4, "depth6": 6, "depth8": 8}
    assert set(runs["width"]) == {2}
    assert (everything / WITH_SPACES / "runs/deep_plain/depth6/seed1/losses.csv").exists()


def test_a_grid_has_runs_at_every_rate_and_a_best_one_at_every_width(everything):
    tables = everything / WITH_SPACES / "tables"
    runs = table(tables / "runs.csv").query("circumstance != 'deep_plain'")
    assert runs.groupby("learning_rate").size().to_dict() == dict.fromkeys((0.001, 0.002, 0.004), 6)
    optima = table(tables / "learning_rates.csv")
    assert list(optima["width"]) == [2, 3, 4]
    slopes = table(tables / "learning_rate_slopes.csv")
    assert list(zip(slopes["grid"], slopes["quantity"], strict=True)) == [
        ("learning_rates_mup", "best"), ("learning_rates_mup", "highest_stable")
    ]  # fmt: skip
    assert len(table(tables / "learning_rate_verdicts.csv")) == 3 + 1
    # Members of a grid are not judged one by one.
    assert set(table(tables / "verdicts.csv")["circumstance"]) == {"deep_plain"}


def test_first_steps_are_followed_in_a_circumstance_without_runs(everything):
    tables = everything / WITH_SPACES / "tables"
    coordinates = table(tables / "coordinates.csv")
    assert set(coordinates["circumstance"]) == {"no_l2"}
    assert set(coordinates["width"]) == {2, 3, 4}
    assert (coordinates["rms_change"] >= 0).all()
    assert set(table(tables / "coordinate_powers.csv")["circumstance"]) == {"no_l2"}


def test_a_study_has_the_figures_of_what_is_in_it(everything):
    figures = everything / WITH_SPACES / "figures"
    assert {path.stem for path in figures.iterdir()} == set(FIGURES) - {"speed"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures.glob("*.png"))


def test_a_new_circumstance_is_yaml_only_and_diverged_runs_are_results(smoke):
    (smoke / "mine.yaml").write_text(
        "study: [baseline, no_l2, mine]\n"
        "circumstances:\n"
        "  mine:\n"
        "    hypothesis: A larger step.\n"
        "    source: A test.\n"
        "    reference: no_l2\n"
        "    expectation: {objective: {end_value: rises}}\n"
        "    overrides: {training: {l2: 0, learning_rate: 1.0e+38}}\n"
    )
    targets = [f"{RESULTS}/{name}" for name in ("answer.md", "explorer.html", "figures/loss_parts.svg")]
    counts = job_counts(make(smoke, *targets, *SMOKE, "mine.yaml"))
    assert counts["train"] == 6
    assert counts.keys().isdisjoint({"generate_dataset", "measure_starts"})
    tables = smoke / RESULTS / "tables"
    runs = table(tables / "runs.csv").set_index("circumstance")
    # So large a step diverges at once: that is a result, and it does not stop the workflow.
    assert runs.loc["mine", "diverged"].all()
    assert not runs.loc["no_l2", "diverged"].any()
    assert numpy.isfinite(table(tables / "losses.csv")["objective"]).all()
    verdicts = table(tables / "verdicts.csv").set_index(["circumstance", "measure", "feature"])
    assert verdicts.loc[("mine", "objective", "end_value"), "verdict"] == "diverged"
    assert "mine" in (smoke / RESULTS / "answer.md").read_text()


def test_errors_of_the_configuration_come_all_at_once_before_any_job(clean_checkout, tmp_path):
    (tmp_path / "bad.yaml").write_text("evaluation: {row_interval: 5}\nanalysis: {decay_step: 7}\n")
    output = refusal(clean_checkout, *SMOKE, str(tmp_path / "bad.yaml"))
    for line in (
        "circumstances.baseline, no_l2: analysis.decay_step: 7 given, but the log has no row there; ",
        "circumstances.baseline, no_l2: evaluation.row_interval: 5 given, which leaves 1 row",
    ):
        assert re.search(rf"^{re.escape(line)}", output, re.MULTILINE), output
    assert not (clean_checkout / "results").exists()


@pytest.mark.parametrize("command", [["--unlock"], ["--report", "report.html"]], ids=lambda command: command[0])
def test_what_computes_nothing_is_called_without_cores(smoke, command):
    done = run_snakemake(smoke, *command, *SMOKE, cores=False)
    assert done.returncode == 0, done.stdout
    assert (smoke / "report.html").exists() == ("--report" in command)
