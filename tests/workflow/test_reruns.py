"""What makes the workflow compute something again, and what does not."""

import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
import yaml
from workflow.checkout import CIRCUMSTANCES, LAST_STEP, RESULTS, SMOKE, copy_checkout, copy_study, make, planned

STARTS, TRAINING = {"measure_starts"}, {"train", "embed_networks", "predict_masks", "segmentation"}
GATHERING_OF_THE_STUDY = {"gather_study", "gather_nesting"}
GATHERING = {"gather_circumstance"} | GATHERING_OF_THE_STUDY
FIGURES = {"loss_curves", "loss_parts", "penalty_left", "feature_trends", "verdict_map", "crossing"}
JUDGING = {"judge_study", "write_answer", "write_pages"} | FIGURES
# All that is made from the tables of runs.
ANALYSIS = GATHERING | JUDGING
ALL_BUT_DATA = STARTS | TRAINING | ANALYSIS
# A change of the configuration also changes study.json, which every figure and table reads.
OF_THE_STUDY = {"describe_study", "task", "segmentation"} | ANALYSIS


@pytest.fixture(scope="module")
def untouched(finished_smoke, tmp_path_factory):
    """A finished smoke study for dry runs of other configurations: no file of it is changed."""
    return copy_study(finished_smoke, tmp_path_factory.mktemp("reruns") / "smoke")


@pytest.fixture
def planned_with(untouched, tmp_path):
    """The jobs of the smoke study with one more layer of configuration."""

    def plan(layer):
        (tmp_path / "more.yaml").write_text(layer)
        return planned(untouched, *SMOKE, str(tmp_path / "more.yaml"))

    return plan


def touch_everything(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    random.Random(0).shuffle(files)
    for earlier, path in enumerate(files):
        os.utime(path, (time.time() - earlier,) * 2)


def comment_and_reformat(folder):
    for path in (folder / "scripts").rglob("*.py"):
        path.write_text(f"# A comment.\n{path.read_text()}\n\n# Another.\n")
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--line-length=70", "scripts"]
    subprocess.run(command, cwd=folder, check=True)


def reorder_keys_and_write_whole_numbers_as_floats(folder):
    def rewritten(value):
        match value:
            case dict():
                return {key: rewritten(value[key]) for key in reversed(value)}
            case list():
                return [rewritten(item) for item in value]
            case int() if not isinstance(value, bool):
                return float(value)
        return value

    for name in ("config", "circumstances", "smoke"):
        path = folder / f"config/{name}.yaml"
        path.write_text(yaml.safe_dump(rewritten(yaml.safe_load(path.read_text())), sort_keys=False))


def edit(name, old, new):
    def change(folder):
        path = folder / name
        text = path.read_text()
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new))

    return change


def add_code(*names):
    def change(folder):
        for name in names:
            with (folder / "scripts/widthwise" / name).open("a") as stream:
                stream.write("\nUNUSED = 1\n")

    return change


@pytest.mark.parametrize(
    "change",
    [
        touch_everything,
        comment_and_reformat,
        reorder_keys_and_write_whole_numbers_as_floats,
        edit("config/smoke.yaml", "widths: [2, 3, 4]", "widths: [2, 3, 4]   # a comment"),
    ],
    ids=["touched", "comments and layout", "order of keys and 1.0 for 1", "a comment in YAML"],
)
def test_nothing_reruns(smoke, change):
    change(smoke)
    assert planned(smoke, *SMOKE) == {}


def test_nothing_reruns_in_a_checkout_that_was_moved(smoke):
    moved = shutil.move(smoke, smoke.with_name("elsewhere"))
    assert planned(moved, *SMOKE) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(add_code("model/network.py"), ALL_BUT_DATA, id="the network"),
        pytest.param(add_code("training/loop.py"), ALL_BUT_DATA, id="the training"),
        pytest.param(add_code("figures/loss_parts.py"), {"loss_parts"}, id="a figure"),
        pytest.param(add_code("analysis/verdicts.py"), JUDGING | GATHERING_OF_THE_STUDY, id="the statistics"),
        pytest.param(add_code("analysis/gathering.py"), ANALYSIS, id="the gathering"),
        pytest.param(add_code("report/answer.py"), {"write_answer"}, id="the answer"),
    ],
)
def test_code_reruns_what_it_decides(smoke, change, expected):
    change(smoke)
    assert planned(smoke, *SMOKE).keys() == expected


def test_another_seed_makes_its_dataset_its_runs_and_the_analysis_and_nothing_else(planned_with):
    jobs = planned_with("seeds: [0, 1, 2]")
    assert jobs["generate_dataset"] == 1
    assert jobs["train"] == 6
    assert jobs["embed_networks"] == 2
    assert jobs.keys() - {"generate_dataset", "train", "embed_networks"} == OF_THE_STUDY
    # Starting losses and predicted masks are of the first seed's dataset, and stay.
    assert not jobs.keys() & {"measure_starts", "predict_masks"}


@pytest.mark.parametrize(
    ("more", "train", "starts"),
    [
        pytest.param("widths: [2, 3, 4, 5]", 4, 1, id="a width"),
        pytest.param("study: [baseline, no_l2, sgd]", 6, 0, id="a circumstance"),
        pytest.param("study: [baseline, no_l2, he_init]", 6, 3, id="another network"),
        pytest.param("circumstances: {no_l2: {overrides: {training: {l2: 5.0e-5}}}}", 6, 0, id="an override"),
        pytest.param("circumstances: {no_l2: {hypothesis: 'Another.'}}", 0, 0, id="a hypothesis"),
        pytest.param("circumstances: {no_l2: {expectation: {objective: {end_value: mixed}}}}", 0, 0, id="a prediction"),
        pytest.param("claims: {bfloat16: {theirs: 'Much.'}}", 0, 0, id="a claim"),
        pytest.param("training: {learning_rate: 2.0e-3}", 12, 0, id="the learning rate"),
        pytest.param("training: {epochs: 11}", 12, 0, id="epochs"),
        pytest.param("{evaluation: {row_interval: 2}, analysis: {end_window: 0.2}}", 12, 0, id="rows"),
        pytest.param("evaluation: {starting_batches: 3}", 12, 3, id="the batches of the first row"),
        pytest.param("analysis: {decay_step: 2}", 0, 0, id="the analysis"),
        pytest.param("analysis: {initialisations: 6}", 0, 3, id="initialisations"),
        pytest.param("analysis: {heads_per_backbone: 1}", 0, 3, id="heads"),
        # Two settings of one type that change places.
        pytest.param(
            "network: {normalisation_momentum: 0.001, normalisation_epsilon: 0.01}", 12, 3, id="settings swapped"
        ),
    ],
)
def test_settings_rerun_the_jobs_that_they_decide_and_the_analysis(planned_with, more, train, starts):
    jobs = planned_with(more)
    assert jobs.get("train", 0) == train
    assert jobs.get("measure_starts", 0) == starts
    assert "generate_dataset" not in jobs
    assert jobs.keys() <= ALL_BUT_DATA | OF_THE_STUDY
    assert jobs.keys() >= GATHERING | {"judge_study", "write_answer"}


def test_the_device_decides_nothing(planned_with):
    assert planned_with("device: cpu") == {}


def test_a_coordinate_check_trains_nothing(planned_with):
    jobs = planned_with("analysis: {coordinate_check: {circumstances: [no_l2]}}")
    assert jobs["check_coordinates"] == 3
    assert not jobs.keys() & {"generate_dataset", "train", "measure_starts"}


def test_swapping_two_settings_of_the_dataset_makes_others_and_everything_again(planned_with):
    jobs = planned_with("dataset: {train_volumes: 1, test_volumes: 2}")
    assert (jobs["generate_dataset"], jobs["train"], jobs["measure_starts"]) == (2, 12, 3)


def test_more_epochs_go_on_from_the_finished_runs_and_end_as_if_never_stopped(smoke, finished_smoke):
    names = [f"runs/{circumstance}/width3/seed0/losses.csv" for circumstance in CIRCUMSTANCES]
    for results in (str(RESULTS), "results/at_once"):
        (smoke / "longer.yaml").write_text(f"pathvars: {{results: {results}}}\ntraining: {{epochs: 12}}\n")
        make(smoke, *(f"{results}/{name}" for name in names), *SMOKE, "longer.yaml")
    for name in names:
        extended = (smoke / RESULTS / name).read_bytes()
        assert extended == (smoke / "results/at_once" / name).read_bytes()
        assert extended.startswith((finished_smoke / RESULTS / name).read_bytes())
    log = (smoke / RESULTS / "logs/train/no_l2/width3/seed0.log").read_text()
    assert f"going on from step {LAST_STEP}" in log
    run = json.loads((smoke / RESULTS / "runs/no_l2/width3/seed0/run.json").read_text())
    assert (run["steps"], run["sittings"]) == (LAST_STEP + 8, 2)


@pytest.mark.parametrize("checkpoint", ["kept", "lost"])
def test_a_run_whose_log_was_lost_is_written_again_to_the_byte(smoke, checkpoint):
    folder = smoke / RESULTS / "runs/no_l2/width4/seed1"
    before = (folder / "losses.csv").read_bytes()
    (folder / "losses.csv").unlink()
    if checkpoint == "lost":
        (folder / "checkpoint.pt").unlink()
    make(smoke, f"{RESULTS}/runs/no_l2/width4/seed1/losses.csv", *SMOKE)
    assert (folder / "losses.csv").read_bytes() == before
    log = (smoke / RESULTS / "logs/train/no_l2/width4/seed1.log").read_text()
    assert (f"going on from step {LAST_STEP}" in log) == (checkpoint == "kept")


def test_checkouts_share_a_dataset_through_the_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    digests = []
    for name in ("first", "second"):
        checkout = copy_checkout(tmp_path / name)
        target = f"{RESULTS}/dataset/seed1.json"
        make(checkout, target, "--cache", "generate_dataset", *SMOKE)
        digests.append(json.loads((checkout / target).read_text())["digest"])
        # Snakemake leaves an empty log for what it took from the cache.
        made = (checkout / RESULTS / "logs/generate_dataset/seed1.log").read_text()
        assert bool(made) == (name == "first")
        assert (checkout / target).with_suffix(".h5").exists()
    assert digests[0] == digests[1]
