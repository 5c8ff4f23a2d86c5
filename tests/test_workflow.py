"""The workflow as a user meets it: from a clean checkout to figures, and what it says when something is wrong."""

import json
import re
import subprocess
import sys

import h5py
import numpy
import pandas
import pytest
from conftest import ROOT, SMOKE, SMOKE_RUNS, run_snakemake

IDENTITY = ["circumstance", "size", "width", "depth", "parameters", "seed"]
LOSSES = ["step", "epoch", "objective", "data_loss", "penalty", "accuracy", "running_data_loss", "sum_of_squares"]
FIGURES = [
    "dataset",
    "loss_curves",
    "loss_parts",
    "features",
    "verdicts",
    "crossover",
    "segmentation",
]
SIGNATURES = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}


def table(path):
    return pandas.read_csv(path)


def test_the_dataset_is_as_the_interface_says(finished_smoke):
    results = finished_smoke / "results/smoke"
    summary = json.loads((results / "dataset.json").read_text())
    assert summary["class_counts"] == {"train": [16, 16], "test": [8, 8]}
    with h5py.File(results / "dataset.h5") as file:
        for split, cubes in (("train", 32), ("test", 16)):
            assert file[f"{split}/images"].shape == (cubes, 9, 9, 9)
            assert file[f"{split}/images"].dtype == numpy.float32
            assert file[f"{split}/labels"].shape == (cubes,)
            assert file[f"{split}/labels"].dtype == numpy.uint8
        assert file["volume/image"].shape == file["volume/mask"].shape == (24, 24, 24)
        assert dict(file.attrs) == summary["settings"] | {"digest": summary["digest"]}
        assert file.attrs["seed"] == 0
    assert re.search(r"made in \d+\.\d s", (results / "logs/generate_dataset.log").read_text())


@pytest.mark.parametrize("name", SMOKE_RUNS)
def test_a_run_has_its_log_and_its_record(finished_smoke, name):
    folder = finished_smoke / "results/smoke/runs" / name
    losses, run = table(folder / "losses.csv"), json.loads((folder / "run.json").read_text())
    assert list(losses.columns) == [*IDENTITY, *LOSSES]
    assert list(losses["step"]) == [0, 1, 2, 4, 6, 8]
    assert (losses["objective"] == losses["data_loss"] + losses["penalty"]).all()
    assert losses["running_data_loss"].isna().tolist() == [True] + [False] * 5
    assert (losses["penalty"] > 0).all() == name.startswith("as_posted")
    assert (losses["sum_of_squares"] > 0).all()
    for column in IDENTITY:
        assert set(losses[column]) == {run[column]}
    assert f"{run['circumstance']}/width{run['width']}/seed{run['seed']}" == name
    assert (run["diverged"], run["steps"], run["device"]) == (False, 8, "cpu")
    assert run["settings"]["training"]["learning_rate"] == 1e-3
    assert run["seconds"] > 0
    assert run["samples_per_second"] > 0
    assert run["versions"].keys() == {"python", "torch", "numpy"}


def test_the_tables_hold_every_row_of_every_run(finished_smoke):
    results = finished_smoke / "results/smoke"
    losses, runs = table(results / "tables/losses.csv"), table(results / "tables/runs.csv")
    assert len(losses) == len(SMOKE_RUNS) * 6
    assert len(runs) == len(SMOKE_RUNS)
    assert set(runs["circumstance"]) == {"as_posted", "no_l2"}
    parts = pandas.concat([table(results / "runs" / name / "losses.csv") for name in SMOKE_RUNS])
    key = ["circumstance", "width", "seed", "step"]
    pandas.testing.assert_frame_equal(
        losses.sort_values(key, ignore_index=True), parts.sort_values(key, ignore_index=True)
    )


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("extension", SIGNATURES)
def test_every_figure_is_there_in_every_format(finished_smoke, figure, extension):
    path = finished_smoke / f"results/smoke/figures/{figure}.{extension}"
    assert path.read_bytes().startswith(SIGNATURES[extension])


def test_the_verdicts_have_the_columns_that_users_rely_on(finished_smoke):
    verdicts = table(finished_smoke / "results/smoke/tables/verdicts.csv")
    assert list(verdicts.columns)[:13] == [
        "circumstance", "measure", "feature", "verdict", "slope_per_doubling", "ci_low", "ci_high", "p_value", "p_holm",
        "seeds", "widths", "expected", "agrees",
    ]  # fmt: skip
    assert len(verdicts) == 2 * 7


def test_the_answer_answers_from_the_tables(finished_smoke):
    results = finished_smoke / "results/smoke"
    answer = (results / "answer.md").read_text()
    for heading in ("## The three observations", "## The five questions", "## What causes it", "## Which circumstance"):
        assert heading in answer
    for question in ("expected?", "longer to train?", "starting point harder?", "local minima?", "win later?"):
        assert question in answer
    verdicts = table(results / "tables/verdicts.csv").set_index(["circumstance", "measure", "feature"])
    start = verdicts.loc[("as_posted", "objective", "starting_loss")]
    assert f"objective, starting loss: **{start['verdict']}** ({start['slope_per_doubling']:+.3f} nats" in answer
    assert "| reported loss less data loss (Keras issue 6518" in answer
    assert "<table>" in (results / "answer.html").read_text()


def test_starting_losses_begin_with_the_runs_own(finished_smoke):
    starts = table(finished_smoke / "results/smoke/tables/starts.csv")
    assert len(starts) == 2 * 3 * 3
    assert (starts["objective"] == starts["data_loss"] + starts["penalty"]).all()
    losses = table(finished_smoke / "results/smoke/tables/losses.csv")
    first = losses[losses["step"] == 0].merge(starts, on=["circumstance", "size", "seed"], suffixes=("", "_start"))
    assert len(first) == len(SMOKE_RUNS)
    for column in ("penalty", "data_loss"):
        assert (first[column] == first[f"{column}_start"]).all()


def test_each_layers_sum_of_squares_stands_beside_what_its_scheme_predicts(finished_smoke):
    sums = table(finished_smoke / "results/smoke/tables/sums_of_squares.csv")
    assert list(sums["size"].unique()) == ["width2", "width3", "width4"]
    last = sums[sums["layer"] == "stage3_convolution1"].set_index("size")
    # Glorot: 27 inputs x outputs entries of variance 2 / (27 (inputs + outputs)).
    assert last.loc["width4", "expected"] == pytest.approx(2 * 4 * 8 / (4 + 8))
    # Of 27 x 4 x 8 uniform entries, whose squares vary by 0.8 of their variance squared, over 3 initialisations.
    error = last.loc["width4", "expected"] * (0.8 / (27 * 4 * 8) / 3) ** 0.5
    assert last.loc["width4", "standard_error"] == pytest.approx(error)
    assert ((sums["mean"] - sums["expected"]).abs() < 4 * sums["standard_error"]).all()
    starts = table(finished_smoke / "results/smoke/tables/starts.csv").query("circumstance == 'as_posted'")
    penalties = 1e-4 * sums.groupby("size")["mean"].sum()
    for size, penalty in starts.groupby("size")["penalty"].mean().items():
        assert penalties[size] == pytest.approx(penalty)


def test_every_computing_rule_left_its_benchmark_and_every_rule_its_log(finished_smoke):
    results = finished_smoke / "results/smoke"
    assert len(list((results / "benchmarks/train").rglob("*.tsv"))) == len(SMOKE_RUNS)
    logs = {
        path.relative_to(results / "logs").parts[0].removesuffix(".log") for path in (results / "logs").rglob("*.log")
    }
    assert logs == {
        "generate_dataset", "train", "measure_starts", "predict_masks", "gather_circumstance",
        "gather_study", "gather_starts", "gather_sums_of_squares", "judge_study", "compare_with_literature",
        "write_answer", "figures", "typeset_tables", "explorer",
    }  # fmt: skip


def test_a_second_run_has_nothing_to_do(finished_smoke):
    again = run_snakemake(finished_smoke, *SMOKE)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout


@pytest.mark.parametrize("command", ["--unlock", "--report", "--dry-run"])
def test_what_computes_nothing_is_called_without_cores(smoke, command):
    called = subprocess.run(
        [sys.executable, "-m", "snakemake", command, *(["report.html"] if command == "--report" else []), *SMOKE],
        cwd=smoke, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    assert (smoke / "report.html").exists() == (command == "--report")


def test_training_again_gives_the_same_bytes(smoke):
    path = smoke / "results/smoke/runs/no_l2/width4/seed1/losses.csv"
    before = path.read_bytes()
    path.unlink()
    path.with_name("checkpoint.pt").unlink()
    done = run_snakemake(smoke, str(path.relative_to(smoke)), *SMOKE)
    assert done.returncode == 0, done.stdout
    assert path.read_bytes() == before


def test_seeds_differ_and_the_same_seed_starts_alike_in_every_circumstance(finished_smoke):
    losses = table(finished_smoke / "results/smoke/tables/losses.csv")
    start = losses[losses["step"] == 0].set_index(["circumstance", "width", "seed"])["data_loss"]
    assert (start["as_posted"] == start["no_l2"]).all()
    assert (start.xs(0, level="seed") != start.xs(1, level="seed")).all()


@pytest.mark.parametrize("target", ["loss_parts", "results/tiny/figures/loss_parts.png"])
def test_a_single_figure_by_target_from_nothing(checkout, target):
    (checkout / "tiny.yaml").write_text(
        "pathvars: {results: results/tiny}\nwidths: [1, 2, 3]\nseeds: [5, 6]\nstudy: [no_l2]\ntraining: {epochs: 1}\n"
    )
    done = run_snakemake(checkout, target, *SMOKE, "tiny.yaml")
    assert done.returncode == 0, done.stdout
    figures = sorted(path.name for path in (checkout / "results/tiny/figures").iterdir())
    assert figures == ["loss_parts.pdf", "loss_parts.png", "loss_parts.svg"]
    assert not (checkout / "results/smoke").exists()


@pytest.mark.parametrize(
    "target",
    [
        "results/smoke/runs/as_posted/width26/seed0/losses.csv",
        "results/smoke/runs/as_posted/width02/seed0/losses.csv",
        "results/smoke/runs/as_posted/width2/seed9/run.json",
        "results/smoke/runs/fixed_std_init/width2/seed0/losses.csv",
    ],
)
def test_a_target_outside_the_study_is_no_job(checkout, target):
    refused = run_snakemake(checkout, target, *SMOKE)
    assert refused.returncode != 0
    assert f"No rule to produce {target}" in refused.stdout
    assert not (checkout / "results").exists()


def test_errors_of_the_configuration_come_all_at_once_before_any_job(checkout):
    (checkout / "bad.yaml").write_text("widths: [-2, 2, 3]\nseeds: [1, 1]\ntraining: {learning_rate: 1e-5}\nstage: 1\n")
    refused = run_snakemake(checkout, *SMOKE, "bad.yaml")
    assert refused.returncode != 0
    for line in (
        "widths.0: given -2; allowed: an integer at least 1",
        "seeds: given 1 more than once; allowed: each once",
        'training.learning_rate: given "1e-5"; allowed: a number above 0 (YAML reads 1e-5 as text: write 1.0e-5)',
        "stage: unknown key, given 1; ",
    ):
        assert re.search(rf"^{re.escape(line)}", refused.stdout, re.MULTILINE), refused.stdout
    assert "Traceback" not in refused.stdout
    assert not (checkout / "results").exists()


def test_a_new_circumstance_is_yaml_only(smoke):
    (smoke / "mine.yaml").write_text(
        "study: [as_posted, no_l2, mine]\n"
        "circumstances:\n"
        "  mine:\n"
        "    hypothesis: A larger step.\n"
        "    source: A test.\n"
        "    reference: no_l2\n"
        "    expectation: {objective: {end_value: rises}}\n"
        "    overrides: {training: {l2: 0, learning_rate: 1.0e+38}}\n"
    )
    done = run_snakemake(smoke, *SMOKE, "mine.yaml")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^train +6$", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^generate_dataset +\d+$", done.stdout, re.MULTILINE)
    runs = table(smoke / "results/smoke/tables/runs.csv").set_index("circumstance")
    # So large a step diverges at once: that is a result, and it does not stop the workflow.
    assert runs.loc["mine", "diverged"].all()
    assert not runs.loc["no_l2", "diverged"].any()
    losses = table(smoke / "results/smoke/tables/losses.csv")
    assert numpy.isfinite(losses["objective"]).all()
    verdicts = table(smoke / "results/smoke/tables/verdicts.csv").set_index(["circumstance", "measure", "feature"])
    assert verdicts.loc[("mine", "objective", "end_value"), "verdict"] == "diverged"
    assert "### `mine`" in (smoke / "results/smoke/answer.md").read_text()


def test_depth_and_a_grid_of_learning_rates_go_the_whole_way(smoke):
    (smoke / "more.yaml").write_text(
        "pathvars: {results: results/more}\n"
        "study: [deep_plain, deep_residual, learning_rates_mup]\n"
        "training: {epochs: 1}\n"
        "analysis: {coordinate_check: [no_l2]}\n"
        "circumstances:\n"
        "  deep_plain: {depths: [4, 6, 8], width: 2}\n"
        "  deep_residual: {depths: [4, 6, 8], width: 2}\n"
        "  learning_rates: {learning_rates: [1.0e-3, 2.0e-3, 4.0e-3]}\n"
        "  learning_rates_mup: {learning_rates: [1.0e-3, 2.0e-3, 4.0e-3]}\n"
    )
    done = run_snakemake(smoke, *SMOKE, "more.yaml")
    assert done.returncode == 0, done.stdout
    results = smoke / "results/more"
    runs = table(results / "tables/runs.csv")
    assert len(runs) == 2 * 3 * 2 + 3 * 3 * 2
    assert set(runs.loc[runs["circumstance"] == "deep_residual", "depth"]) == {4, 6, 8}
    assert (results / "runs/deep_residual/depth6/seed1/losses.csv").exists()
    optima = table(results / "tables/learning_rates.csv")
    assert len(optima) == 3 * 2
    assert list(table(results / "tables/learning_rate_slopes.csv")["grid"]) == ["learning_rates_mup"]
    answer = (results / "answer.md").read_text()
    assert "at and below width 2's best rate" in answer
    assert "### `deep_residual`" in answer
    # First steps are followed in a circumstance that the study does not run.
    assert set(table(results / "tables/coordinates.csv")["circumstance"]) == {"no_l2"}
    for figure in ("depth", "learning_rates", "coordinate_check"):
        assert (results / f"figures/{figure}.png").read_bytes().startswith(SIGNATURES["png"])


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "scripts").glob("*.py")))
def test_every_program_explains_itself(script):
    help_text = subprocess.run(
        [sys.executable, ROOT / f"scripts/{script}.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert len(help_text.splitlines()) > 8
    usage, _, options = help_text.partition("\noptions:\n")
    described = re.findall(r"^  (?:-h, )?(--[\w-]+)[^\n]*?(?:  +|\n {8,})\S", options, re.MULTILINE)
    assert set(described) >= set(re.findall(r"--[\w-]+", usage.partition("\n\n")[0]))
