"""What makes the workflow compute something again, and what does not."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml
from conftest import SMOKE, copy_checkout, run_snakemake

TRAINING = {"train", "measure_starts", "predict_masks"}
GATHERING = {"gather_circumstance", "gather_study"}
JUDGING = {
    "judge_study",
    "compare_with_literature",
    "write_answer",
    "features",
    "verdicts",
    "crossover",
    "typeset_tables",
}
CURVES = {"loss_curves", "loss_parts", "explorer"}
# What a new run of the first circumstances is summarised in.
SUMMARIES = GATHERING | JUDGING | CURVES
ALL_BUT_DATA = TRAINING | SUMMARIES | {"gather_starts", "gather_sums_of_squares", "segmentation"}


def planned(folder, *arguments):
    """The jobs that a dry run names: rule -> how many."""
    done = run_snakemake(folder, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout
    if "Nothing to be done" in done.stdout:
        return {}
    jobs = re.search(r"^job +count\n-+ +-+\n(.*?)^total", done.stdout, re.MULTILINE | re.DOTALL)[1]
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", jobs, re.MULTILINE)}
    del counts["all"]
    return counts


def touch_everything(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    random.Random(0).shuffle(files)
    for later, path in enumerate(files):
        os.utime(path, (time.time() + later,) * 2)


def comment_and_reformat(folder):
    for path in (folder / "scripts").rglob("*.py"):
        path.write_text(f"# A comment.\n{path.read_text()}\n\n# Another.\n")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--line-length=70", "scripts"], cwd=folder, check=True)


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
        content = yaml.safe_load(path.read_text())
        # The order of circumstances is that of the tables.
        catalogue = {name: rewritten(entry) for name, entry in content.pop("circumstances", {}).items()}
        content = rewritten(content) | ({"circumstances": catalogue} if catalogue else {})
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def edit(name, old, new):
    def change(folder):
        path = folder / name
        text = path.read_text()
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new))

    return change


def add_code(name):
    def change(folder):
        with (folder / name).open("a") as stream:
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
        pytest.param(add_code("scripts/widthwise/model/network.py"), ALL_BUT_DATA, id="network"),
        pytest.param(add_code("scripts/widthwise/training/loop.py"), ALL_BUT_DATA, id="training"),
        pytest.param(add_code("scripts/loss_parts.py"), {"loss_parts"}, id="a figure"),
        pytest.param(add_code("scripts/widthwise/analysis/inference.py"), JUDGING, id="statistics"),
        pytest.param(add_code("scripts/widthwise/report/answer.py"), {"write_answer"}, id="the answer"),
        pytest.param(
            edit("config/circumstances.yaml", "With Keras' defaults the reported loss", "The reported loss"),
            {"write_answer"},
            id="a hypothesis",
        ),
    ],
)
def test_code_and_words_rerun_what_they_decide(smoke, change, expected):
    change(smoke)
    assert planned(smoke, *SMOKE).keys() == expected


@pytest.mark.parametrize(
    ("more", "train", "others"),
    [
        pytest.param("seeds: [0, 1, 2]", 6, {}, id="a seed"),
        pytest.param("widths: [2, 3, 4, 5]", 4, {"measure_starts": 1}, id="a width"),
        pytest.param("study: [as_posted, no_l2, sgd]", 6, {}, id="a circumstance"),
        pytest.param("study: [as_posted, no_l2, he_init]", 6, {"measure_starts": 3}, id="another network"),
        pytest.param("circumstances: {no_l2: {overrides: {training: {l2: 5.0e-5}}}}", 6, {}, id="an override"),
        pytest.param("training: {epochs: 3}", 12, {}, id="epochs"),
        pytest.param("evaluation: {per_epoch: 4}", 12, {}, id="evaluations"),
        pytest.param("analysis: {decay_step: 2}", 0, {}, id="the analysis"),
        pytest.param("analysis: {initialisations: 4}", 0, {"measure_starts": 3}, id="initialisations"),
        # Two of one type that change places.
        pytest.param(
            "network: {normalisation_momentum: 0.001, normalisation_epsilon: 0.01}",
            12,
            {"measure_starts": 3},
            id="a swap",
        ),
    ],
)
def test_settings_rerun_the_runs_that_they_decide_and_their_summaries(smoke, more, train, others):
    (smoke / "more.yaml").write_text(more)
    jobs = planned(smoke, *SMOKE, "more.yaml")
    assert "generate_dataset" not in jobs
    assert jobs.get("train", 0) == train
    assert jobs.get("measure_starts", 0) == others.get("measure_starts", 0)
    assert jobs.keys() <= ALL_BUT_DATA


def test_swapping_two_settings_of_the_dataset_makes_another(smoke):
    (smoke / "more.yaml").write_text("dataset: {train_volumes: 1, test_volumes: 2}")
    assert planned(smoke, *SMOKE, "more.yaml")["generate_dataset"] == 1


def test_more_epochs_go_on_from_the_finished_runs_and_end_as_if_never_stopped(smoke, finished_smoke):
    longer = "pathvars: {results: %s}\ntraining: {epochs: 3}\n"
    names = [f"runs/{circumstance}/width3/seed0/losses.csv" for circumstance in ("as_posted", "no_l2")]
    for results in ("results/smoke", "results/at_once"):
        (smoke / "longer.yaml").write_text(longer % results)
        done = run_snakemake(smoke, *(f"{results}/{name}" for name in names), *SMOKE, "longer.yaml")
        assert done.returncode == 0, done.stdout
    for name in names:
        extended = (smoke / "results/smoke" / name).read_bytes()
        assert extended == (smoke / "results/at_once" / name).read_bytes()
        assert extended.startswith((finished_smoke / "results/smoke" / name).read_bytes())
    log = (smoke / "results/smoke/logs/train/no_l2/width3/seed0.log").read_text()
    assert "going on from step 8" in log
    run = json.loads((smoke / "results/smoke/runs/no_l2/width3/seed0/run.json").read_text())
    assert (run["steps"], run["sittings"]) == (12, 2)


def test_a_run_of_which_a_file_was_lost_is_written_again_without_training(smoke):
    folder = smoke / "results/smoke/runs/no_l2/width4/seed1"
    before = (folder / "losses.csv").read_bytes()
    (folder / "losses.csv").unlink()
    done = run_snakemake(smoke, "results/smoke/runs/no_l2/width4/seed1/losses.csv", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert (folder / "losses.csv").read_bytes() == before
    assert "going on from step 8" in (smoke / "results/smoke/logs/train/no_l2/width4/seed1.log").read_text()


def test_checkouts_share_the_dataset_through_the_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    digests = []
    for name in ("first", "second"):
        checkout = copy_checkout(tmp_path / name)
        done = run_snakemake(checkout, "--cache", "generate_dataset", "--", "dataset")
        assert done.returncode == 0, done.stdout
        digests.append(json.loads((checkout / "results/dataset.json").read_text())["digest"])
        # Snakemake leaves an empty log for what it took from the cache.
        made = (checkout / "results/logs/generate_dataset.log").read_text()
        assert bool(made) == (name == "first")
        assert (checkout / "results/figures/dataset.png").exists()
    assert digests[0] == digests[1]
