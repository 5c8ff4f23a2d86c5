"""What users rely on in the results of a finished study: its files, their columns, and how they fit together."""

import hashlib
import json
import re

import h5py
import numpy
import pandas
import pytest
from workflow.checkout import CIRCUMSTANCES, LAST_STEP, RESULTS, SEEDS, SMOKE, SMOKE_RUNS, WIDTHS, make, planned

from widthwise.study.curves import read_study

IDENTITY = ["circumstance", "size", "width", "depth", "parameters", "seed"]
JUDGED = ["measure", "feature", "verdict", "change", "ci_low", "ci_high", "slope_per_doubling", "level", "p_value",
          "seeds", "sizes", "diverged", "expected", "agrees"]  # fmt: skip
TABLES = {
    "losses": [*IDENTITY, "step", "epoch", "objective", "data_loss", "penalty", "accuracy", "sum_of_squares"],
    "runs": [*IDENTITY, "learning_rate", "batch_size", "diverged", "steps", "planned_steps", "seconds",
             "samples_per_second", "test_data_loss", "test_accuracy", "losses_digest", "objective_end_value"],
    "printed": [*IDENTITY, "epoch", "step", "printed"],
    "starts": [*IDENTITY[:-1], "backbone", "head", "objective", "data_loss", "penalty"],
    "verdicts": ["circumstance", *JUDGED, "p_catalogue"],
    "contrasts": ["circumstance", "reference", *JUDGED, "at_largest", "at_largest_low", "at_largest_high"],
    "features": ["circumstance", "measure", "feature", "size", "parameters", "mean", "ci_low", "ci_high", "seeds"],
    "crossings": ["circumstance", "measure", "pair", "smaller", "larger", "seeds", "crossed", "median_crossing"],
    "slopes_by_step": ["circumstance", "measure", "step", "verdict", "change", "ci_low", "ci_high", "seeds"],
    "penalties": ["circumstance", "size", "parameters", "start", "end", "ci_low", "ci_high", "seeds", "level"],
    "penalty_ratios": ["circumstance", "reference", "ratio", "ci_low", "ci_high", "power", "expected_low",
                       "expected_high", "agrees"],
    "literature": ["claim", "source", "theirs", "ours", "agrees", "shown_by"],
}  # fmt: skip
# Of equal compute nothing is said: only two of three sizes cost as much as the middle one.
VERDICTS = [
    *((measure, feature) for measure in ("objective", "data_loss", "printed")
      for feature in ("starting_loss", "initial_decay", "end_value")),
    ("data_loss", "steps_to_midway"),
]  # fmt: skip
FIGURES = ["task", "loss_curves", "loss_parts", "penalty_left", "feature_trends", "verdict_map", "crossing",
           "segmentation"]  # fmt: skip
SIGNATURES = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}
# What only further runs need, and traces of jobs.
KEPT_FOR_MORE = {"dataset", "checkpoint", ".in_use", "logs", "benchmarks"}
WITHOUT_BENCHMARK = {"describe_study", "generate_dataset"}


@pytest.fixture(scope="module")
def results(finished_smoke):
    return finished_smoke / RESULTS


@pytest.fixture(scope="module")
def table(results):
    """Reads a table to the last bit."""
    return lambda name: pandas.read_csv(results / f"tables/{name}.csv")


def summary_of(results, seed):
    return json.loads((results / f"dataset/seed{seed}.json").read_text())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seeds_dataset_has_images_labels_and_a_volume(results, seed):
    summary = summary_of(results, seed)
    assert summary["class_counts"] == {"train": [16, 16], "test": [8, 8]}
    assert summary["shape"] == [1, 9, 9, 9]
    with h5py.File(results / f"dataset/seed{seed}.h5") as file:
        for split, samples in (("train", 32), ("test", 16)):
            assert file[f"{split}/images"].shape == (samples, 1, 9, 9, 9)
            assert file[f"{split}/images"].dtype == numpy.float32
            assert file[f"{split}/labels"].shape == (samples,)
            counts = numpy.bincount(file[f"{split}/labels"]).tolist()
            assert counts == summary["class_counts"][split]
        assert file["volume/image"].shape[-3:] == file["volume/mask"].shape[-3:] == (24, 24, 24)
        assert set(numpy.unique(file["volume/mask"])) == {0, 1}


def test_each_seed_draws_its_own_dataset_by_the_same_settings(results):
    first, second = (summary_of(results, seed) for seed in SEEDS)
    assert first["digest"] != second["digest"]
    assert first["settings"] == second["settings"]
    with h5py.File(results / "dataset/seed0.h5") as one, h5py.File(results / "dataset/seed1.h5") as other:
        for name in ("train/images", "test/images", "volume/image"):
            assert (one[name][:] != other[name][:]).mean() > 0.9
    assert {path.name for path in (results / "dataset").iterdir()} == {
        f"seed{seed}.{extension}" for seed in SEEDS for extension in ("h5", "json")
    }


@pytest.mark.parametrize("name", SMOKE_RUNS)
def test_a_run_has_its_log_its_record_and_its_weights(results, name):
    folder = results / "runs" / name
    losses = pandas.read_csv(folder / "losses.csv")
    run = json.loads((folder / "run.json").read_text())
    assert set(TABLES["losses"]) <= set(losses.columns)
    assert list(losses["step"]) == list(range(LAST_STEP + 1))
    assert (losses["objective"] == losses["data_loss"] + losses["penalty"]).all()
    assert losses["accuracy"].between(0, 1).all()
    assert (losses["sum_of_squares"] > 0).all()
    if name.startswith("baseline"):
        assert losses["penalty"].to_numpy() == pytest.approx(1e-4 * losses["sum_of_squares"].to_numpy())
    else:
        assert (losses["penalty"] == 0).all()
    for column in IDENTITY:
        assert set(losses[column]) == {run[column]}
    assert f"{run['circumstance']}/{run['size']}/seed{run['seed']}" == name
    assert (run["diverged"], run["steps"], run["planned_steps"], run["device"]) == (False, LAST_STEP, LAST_STEP, "cpu")
    assert run["settings"]["training"]["learning_rate"] == 1e-3
    assert run["dataset"]["digest"] == summary_of(results, run["seed"])["digest"]
    assert run["losses_digest"] == hashlib.sha256((folder / "losses.csv").read_bytes()).hexdigest()
    assert min(run["seconds"], run["samples_per_second"], run["test_data_loss"]) > 0
    assert run["versions"].keys() == {"python", "torch", "numpy"}
    assert (folder / "weights.pt").stat().st_size > 4 * run["parameters"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_columns_that_users_rely_on(table, name):
    columns = list(table(name).columns)
    assert [column for column in TABLES[name] if column not in columns] == []


def test_the_tables_hold_every_row_of_every_run(results, table):
    losses, runs = table("losses"), table("runs")
    assert len(losses) == len(SMOKE_RUNS) * (LAST_STEP + 1)
    assert {f"{run.circumstance}/{run.size}/seed{run.seed}" for run in runs.itertuples()} == set(SMOKE_RUNS)
    assert len(runs) == len(SMOKE_RUNS)
    parts = pandas.concat(pandas.read_csv(results / "runs" / name / "losses.csv") for name in SMOKE_RUNS)
    key = ["circumstance", "width", "seed", "step"]
    pandas.testing.assert_frame_equal(
        losses.sort_values(key, ignore_index=True), parts.sort_values(key, ignore_index=True), check_exact=True
    )


def test_the_printed_loss_is_the_mean_of_an_epochs_objective(table):
    losses, printed = table("losses").query("step > 0"), table("printed")
    assert len(printed) == len(SMOKE_RUNS) * 10
    means = losses.groupby([*IDENTITY, numpy.ceil(losses["epoch"])])["objective"].mean()
    assert printed.set_index([*IDENTITY, "epoch"])["printed"].sort_index().to_numpy() == pytest.approx(means.to_numpy())


def test_every_circumstance_has_every_verdict_and_its_contrast(table):
    verdicts = table("verdicts")
    for name in CIRCUMSTANCES:
        rows = verdicts[verdicts["circumstance"] == name]
        assert sorted(zip(rows["measure"], rows["feature"], strict=True)) == sorted(VERDICTS)
    assert set(verdicts["verdict"]) <= {"rises", "falls", "flat", "mixed", "diverged", "undecided"}
    assert (verdicts["ci_low"] <= verdicts["change"]).all()
    assert (verdicts["change"] <= verdicts["ci_high"]).all()
    assert set(zip(table("contrasts")["circumstance"], table("contrasts")["reference"], strict=True)) == {
        ("no_l2", "baseline")
    }


def test_starting_losses_are_those_of_many_initialisations_shared_by_circumstances_that_start_alike(results, table):
    starts = table("starts")
    assert (starts["objective"] == starts["data_loss"] + starts["penalty"]).all()
    assert starts.groupby(["circumstance", "size"]).size().to_dict() == {
        (name, f"width{width}"): 4 for name in CIRCUMSTANCES for width in WIDTHS
    }
    # Two heads on each of two backbones.
    one = starts.query("circumstance == 'baseline' and size == 'width2'")
    assert one.groupby("backbone")["head"].nunique().tolist() == [2, 2]
    assert one["data_loss"].nunique() == 4
    data_losses = [starts.query("circumstance == @name")["data_loss"].tolist() for name in CIRCUMSTANCES]
    assert data_losses[0] == data_losses[1]
    assert {path.parent.name for path in (results / "starts").rglob("*.csv")} == {"baseline"}


def test_seeds_differ_and_the_same_seed_starts_alike_in_every_circumstance(table):
    losses = table("losses")
    start = losses[losses["step"] == 0].set_index(["circumstance", "width", "seed"])["data_loss"]
    assert (start["baseline"] == start["no_l2"]).all()
    assert (start.xs(0, level="seed") != start.xs(1, level="seed")).all()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_there_in_every_format(results, figure):
    for extension, signature in SIGNATURES.items():
        assert (results / f"figures/{figure}.{extension}").read_bytes().startswith(signature)


def test_the_answer_is_a_page_and_the_evidence_lies_beside_it(results, table):
    answer, evidence = (results / "answer.md").read_text(), (results / "evidence.md").read_text()
    assert answer.startswith("# ")
    assert len(answer.splitlines()) < 120
    for name, title in zip(CIRCUMSTANCES, read_study(results / "study.json").titles(CIRCUMSTANCES), strict=True):
        assert title in answer
        assert f"## {title[0].upper()}{title[1:]} (`{name}`)\n" in evidence
    assert evidence.count("\n| ") > len(table("verdicts"))
    page = (results / "answer.html").read_text()
    assert "<h1" in page
    assert "<table" in page
    for path in ("tables/verdicts.html", "tables/runs.html", "explorer.html"):
        assert (results / path).read_text().rstrip().endswith("</html>")


def test_every_job_left_its_log_and_its_benchmark(finished_smoke, results):
    jobs = planned(finished_smoke, "--forceall", *SMOKE)
    figures = jobs.keys() & set(FIGURES)
    for kind, extension, rules in (
        ("logs", "log", jobs.keys()),
        ("benchmarks", "tsv", jobs.keys() - WITHOUT_BENCHMARK),
    ):
        found = [path.relative_to(results / kind) for path in (results / kind).rglob(f"*.{extension}")]
        counts = pandas.Series([path.parts[0].removesuffix(f".{extension}") for path in found]).value_counts().to_dict()
        assert counts.pop("figures") == len(figures)
        assert counts == {rule: jobs[rule] for rule in rules - figures}
    assert re.search(r"made in \d+\.\d s", (results / "logs/generate_dataset/seed0.log").read_text())


def test_a_finished_study_has_nothing_to_do(finished_smoke):
    assert "Nothing to be done" in make(finished_smoke, *SMOKE)


def test_every_result_is_named_so_that_one_that_was_lost_is_made_again(finished_smoke, results):
    output = make(finished_smoke, "--dry-run", "--force", "all", *SMOKE)
    named = set(re.search(r"^(?:local)?rule all:\n    input: (.*)$", output, re.MULTILINE)[1].split(", "))
    files = {path.relative_to(results) for path in results.rglob("*") if path.is_file()}
    kept_for_more = {path for path in files if path.parts[0] in KEPT_FOR_MORE or path.stem in KEPT_FOR_MORE}
    assert named == {str(RESULTS / path) for path in files - kept_for_more}


def test_a_network_that_is_embedded_in_a_wider_one_keeps_its_losses(table):
    nesting = table("nesting")
    pairs = [("width2", "width3"), ("width2", "width4"), ("width3", "width4")]
    expected = {(name, seed, *pair) for name in CIRCUMSTANCES for seed in SEEDS for pair in pairs}
    assert {*nesting[["circumstance", "seed", "smaller", "larger"]].itertuples(index=False, name=None)} == expected
    for loss in ("data_loss", "penalty", "objective"):
        assert nesting[f"embedded_{loss}"].to_numpy() == pytest.approx(nesting[f"smaller_{loss}"].to_numpy(), abs=1e-5)
    assert (abs(nesting["embedded_objective"] - nesting["larger_objective"]) > 1e-3).any()
