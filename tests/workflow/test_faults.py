"""Faults: after each a clear error or a right result, and nothing half-written that is taken for whole."""

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from workflow.checkout import (
    LAST_STEP,
    RESULTS,
    ROOT,
    SMOKE,
    SMOKE_RUNS,
    forget,
    job_counts,
    losses,
    make,
    output_of,
    refusal,
    run_program,
    start_snakemake,
)
from workflow.trainers import FILES, RUN, Trainers, smoke_settings, stopped, train_arguments, training_in, wait_for

TABLE = f"{RESULTS}/tables/no_l2/runs.csv"
NO_L2 = [name for name in SMOKE_RUNS if name.startswith("no_l2")]
STEPS_PER_EPOCH = 4


@pytest.fixture(scope="module")
def trainers(tmp_path_factory):
    return Trainers(tmp_path_factory.mktemp("trainers"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def standing_still(folder, count=1):
    """Stops the trainers of a checkout meanwhile, as soon as there are so many."""

    def enough():
        found = training_in(folder)
        return found if len(found) >= count else []

    with stopped(wait_for(enough)):
        yield


# One training


def test_a_run_killed_at_nine_random_moments_twice_over_is_the_run_that_was_not(trainers, finished_smoke, tmp_path):
    settings = smoke_settings(finished_smoke, epochs=250)
    trainers.run(train_arguments(finished_smoke, tmp_path / "whole", settings))
    expected = json.loads((tmp_path / "whole/run.json").read_text())

    def killed_nine_times(chain):
        folder, moments = tmp_path / f"chain{chain}", random.Random(chain)
        arguments = train_arguments(finished_smoke, folder, settings, "--checkpoint-interval=0")
        for kill in range(9):
            trainer = trainers.start(arguments)
            wait_for(trainer.log.read_text)
            # However slow the machine is just then, at least one kill leaves a state to go on from.
            if kill == 4:
                wait_for((folder / "checkpoint.pt").exists)
            time.sleep(moments.uniform(0, expected["seconds"] / 4))
            trainer.kill()
        trainers.run(arguments)
        return folder

    with ThreadPoolExecutor(2) as pool:
        for folder in pool.map(killed_nine_times, range(2)):
            assert (folder / "losses.csv").read_bytes() == (tmp_path / "whole/losses.csv").read_bytes()
            record = json.loads((folder / "run.json").read_text())
            assert record["losses_digest"] == expected["losses_digest"]
            assert record["sittings"] > 1
            assert {path.name for path in folder.iterdir()} == {*FILES.values(), "checkpoint.pt", "checkpoint.lock"}


def test_two_trainers_of_one_run_take_turns(trainers, finished_smoke, tmp_path):
    arguments = train_arguments(finished_smoke, tmp_path / "run", smoke_settings(finished_smoke, epochs=300))
    first = trainers.start(arguments)
    wait_for(first.log.read_text)  # it has the lock
    with stopped([first.process.pid]):
        second = trainers.start(arguments)
        wait_for(lambda: "another process is training this run; waiting for it to end" in second.log.read_text())
    outputs = [trainer.wait() for trainer in (first, second)]
    assert first.succeeded, outputs
    assert second.succeeded, outputs
    assert "going on" not in outputs[0]
    assert f"going on from step {300 * STEPS_PER_EPOCH}, sitting 2" in outputs[1]


def test_a_checkpoint_of_other_threads_is_set_aside(trainers, finished_smoke, tmp_path):
    def run(epochs, *more):
        settings = smoke_settings(finished_smoke, epochs=epochs)
        return trainers.run(train_arguments(finished_smoke, tmp_path / "run", settings, *more))

    run(1)
    assert f"going on from step {STEPS_PER_EPOCH}, sitting 2" in run(2)
    assert "is of a run with other threads; kept as checkpoint.set_aside.pt" in run(3, "--threads=2")


def test_a_trainer_outlives_its_parent_unless_told_otherwise(finished_smoke, tmp_path):
    parents = {}
    try:
        for option in ("", " --parent $PPID"):
            (folder := tmp_path / f"parent{option}").mkdir()
            arguments = train_arguments(finished_smoke, folder / "run", smoke_settings(finished_smoke, epochs=20000))
            command = f"exec {shlex.join([sys.executable, str(ROOT / 'scripts/train.py'), *arguments])}{option}"
            program = "import subprocess, sys; subprocess.run(sys.argv[1], shell=True)"
            parents[folder] = subprocess.Popen(
                [sys.executable, "-c", program, command], cwd=folder, stderr=subprocess.DEVNULL
            )
        for folder, parent in parents.items():
            wait_for((folder / "run/checkpoint.lock").exists)
            parent.kill()
            parent.wait()
        outliving, ending = parents
        wait_for(lambda: not training_in(ending))
        assert len(training_in(outliving)) == 1
    finally:
        for folder, parent in parents.items():
            parent.kill()
            parent.wait()
            for process in training_in(folder):
                os.kill(process, signal.SIGKILL)


def fill(disk, *, leave):
    """Fills a disk, except so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(free - leave))


@pytest.mark.parametrize(("room", "unwritten"), [(0, "checkpoint.pt"), (1, "losses.csv")])
def test_a_full_disk_is_reported_and_loses_nothing(trainers, finished_smoke, small_disk, room, unwritten):
    runs, folder = finished_smoke / RESULTS / "runs", small_disk / "run"
    arguments = train_arguments(finished_smoke, folder, smoke_settings(finished_smoke))
    pages = -(-(runs / RUN / "checkpoint.pt").stat().st_size // 4096)
    fill(small_disk, leave=room * pages * 4096)
    last = trainers.fail(arguments).splitlines()[-1]
    assert last.endswith(f"{unwritten}: cannot be written: No space left on device")
    assert {path.name for path in folder.iterdir()} <= {"checkpoint.lock", "checkpoint.pt"}
    (small_disk / "filler").unlink()
    assert (f"going on from step {LAST_STEP}" in trainers.run(arguments)) == (room == 1)
    assert (folder / "losses.csv").read_bytes() == (runs / RUN / "losses.csv").read_bytes()


def test_a_full_disk_leaves_no_half_dataset(finished_smoke, small_disk):
    settings = json.loads((finished_smoke / RESULTS / "dataset/seed0.json").read_text())["settings"]
    failed = run_program(
        finished_smoke, "generate_dataset.py", "--settings", json.dumps(settings | {"train_cubes": 1000}), "--draw=0",
        "--dataset", small_disk / "seed0.h5", "--summary", small_disk / "seed0.json",
    )  # fmt: skip
    assert failed.returncode != 0
    assert "seed0.h5: cannot be written" in failed.stderr.splitlines()[-1]
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_that_diverges_ends_there_and_stays_so_when_extended(trainers, finished_smoke, tmp_path, at_once):
    settings = smoke_settings(finished_smoke, learning_rate=3.0, optimiser="sgd", momentum=0.99)
    settings["network"] = settings["network"] | {"normalisation": "none"}
    if at_once:
        settings["network"] |= {"initialisation": "fixed_std", "initial_std": 1e30}
    trainers.run(train_arguments(finished_smoke, tmp_path / "run", settings))
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["diverged"]
    assert record["steps"] < record["planned_steps"] == LAST_STEP
    assert (record["steps"] == 0) == at_once
    before = (tmp_path / "run/losses.csv").read_bytes()
    assert (before.count(b"\n") == 1) == at_once
    settings["training"]["epochs"] = 15
    trainers.run(train_arguments(finished_smoke, tmp_path / "run", settings))
    assert (tmp_path / "run/losses.csv").read_bytes() == before


# The whole workflow


def test_a_trainer_that_is_killed_is_tried_again_with_more_memory(smoke):
    # As the kernel does to a process that runs out of memory.
    forget(smoke, [RUN])
    with start_snakemake(smoke, f"{RESULTS}/runs/{RUN}/losses.csv", *SMOKE) as workflow:
        (trainer,) = wait_for(lambda: training_in(smoke))
        os.kill(trainer, signal.SIGKILL)
        output = output_of(workflow)
    assert workflow.returncode == 0, output
    first, second = map(int, re.findall(r"^    resources:.* mem_mb=(\d+)", output, re.MULTILINE))
    assert second == 2 * first


def test_a_killed_workflow_takes_its_trainers_along_and_one_command_recovers(smoke, finished_smoke):
    forget(smoke, NO_L2[:4])
    for wait in (0.0, 2.5):
        with start_snakemake(smoke, TABLE, "--rerun-incomplete", *SMOKE) as workflow:
            wait_for(lambda: training_in(smoke))
            time.sleep(wait)
            workflow.kill()
            output_of(workflow)
            wait_for(lambda: not training_in(smoke))
        make(smoke, "--unlock", *SMOKE)
    make(smoke, TABLE, "--rerun-incomplete", *SMOKE)
    assert losses(smoke) == losses(finished_smoke)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_workflow_that_is_asked_to_stop_goes_on_at_the_next_call(smoke, finished_smoke, number):
    forget(smoke, NO_L2[:3])
    with start_snakemake(smoke, TABLE, *SMOKE) as workflow:
        with standing_still(smoke, 2):  # as many as there are cores: none ends, and no job starts, meanwhile
            time.sleep(2)  # Snakemake may miss an interrupt that comes while it starts a job
            if number == signal.SIGINT:  # Ctrl-C reaches the whole group
                os.killpg(workflow.pid, number)
            else:
                workflow.send_signal(number)
        output = output_of(workflow)
        assert workflow.returncode != 0, output
        assert not training_in(smoke)
    make(smoke, TABLE, *SMOKE)
    assert losses(smoke) == losses(finished_smoke)


def test_two_workflows_at_once_are_one_and_advice_unless_results_differ(smoke, finished_smoke, checkout):
    forget(smoke, NO_L2[:1])
    (checkout / "there.yaml").write_text(f"pathvars: {{results: {smoke / RESULTS}}}")
    (smoke / "other.yaml").write_text("pathvars: {results: results/other}")
    with start_snakemake(smoke, TABLE, *SMOKE) as first:
        with standing_still(smoke):
            second = refusal(smoke, TABLE, *SMOKE)
            elsewhere = refusal(checkout, *SMOKE, "there.yaml")
            make(smoke, "results/other/dataset/seed0.json", *SMOKE, "other.yaml")
        output = output_of(first)
    assert "cannot be locked" in second
    assert "--unlock" in second
    assert re.search(rf"^{smoke / RESULTS} is in use by the snakemake of ", elsewhere, re.MULTILINE), elsewhere
    assert first.returncode == 0, output
    assert losses(smoke) == losses(finished_smoke)


def gather(folder, circumstance, results=RESULTS):
    """Calls the program that gathers a circumstance's runs, which must fail; returns the last line that it printed."""
    done = run_program(
        folder, "gather_circumstance.py", "--study", results / "study.json", "--circumstance", circumstance,
        "--runs-folder", results / "runs", "--tables", results / "tables" / circumstance,
    )  # fmt: skip
    assert done.returncode != 0
    return done.stderr.splitlines()[-1]


def remedy_in(error):
    """The command that an error tells."""
    return re.search(r"to make (?:it|them) again: (rm -r .*?), then run snakemake as before", error)[1]


SPOILT = {
    "an empty log": ("losses.csv", lambda content: b""),
    "a log cut off": ("losses.csv", lambda content: content[:-40]),
    "a number changed": ("losses.csv", lambda content: content.replace(b"0.6", b"0.5", 1)),
    "an empty record": ("run.json", lambda content: b""),
    "a record cut off": ("run.json", lambda content: content[:100]),
}


def test_a_spoilt_result_is_named_and_is_made_again_by_the_command_that_the_error_tells(smoke, finished_smoke):
    remedies = set()
    for name, (file, spoil) in SPOILT.items():
        path = RESULTS / "runs/no_l2/width3/seed0" / file
        whole = (smoke / path).read_bytes()
        assert spoil(whole) != whole, name
        (smoke / path).write_bytes(spoil(whole))
        error = gather(smoke, "no_l2")
        assert f"{path}: " in error, name
        remedies.add(remedy_in(error))
        if name != list(SPOILT)[-1]:
            (smoke / path).write_bytes(whole)
    (remedy,) = remedies
    subprocess.run(remedy, shell=True, cwd=smoke, check=True)
    (smoke / TABLE).unlink()  # as Snakemake does when the job fails
    assert job_counts(make(smoke, TABLE, *SMOKE))["train"] == 1
    assert losses(smoke) == losses(finished_smoke)


def test_the_command_that_an_error_tells_works_for_a_folder_with_a_space(smoke):
    results = (smoke / RESULTS).rename(smoke / "results/of mine").relative_to(smoke)
    spoilt = [results / "runs/no_l2/width3/seed0", results / "runs/no_l2/width4/seed1"]
    for folder in spoilt:
        record = json.loads((smoke / folder / "run.json").read_text())
        record["settings"]["training"]["l2"] = 1
        (smoke / folder / "run.json").write_text(json.dumps(record))
    remedy = shlex.split(remedy_in(gather(smoke, "no_l2", results)))
    assert remedy[:2] == ["rm", "-r"]
    assert sorted(remedy[2:]) == sorted(map(str, spoilt))


def test_runs_with_other_settings_are_refused_until_the_command_told_has_been_followed(smoke):
    (smoke / "faster.yaml").write_text("training: {learning_rate: 2.0e-3}")
    lost = f"{RESULTS}/runs/no_l2/width3/seed0/losses.csv"
    (smoke / lost).unlink()
    # Snakemake is told to make again what is older than its inputs, whatever the settings.
    by_time = (lost, TABLE, "--rerun-triggers", "mtime", *SMOKE, "faster.yaml")
    output = refusal(smoke, *by_time)
    assert job_counts(output)["train"] == 1
    log = f"{RESULTS}/logs/gather_circumstance/no_l2.log"
    error = (smoke / log).read_text().splitlines()[-1]
    others = [name for name in NO_L2 if name != "no_l2/width3/seed0"]
    assert [name for name in NO_L2 if name in error] == others
    assert "training.learning_rate is 0.001, not 0.002" in error
    assert f"{log}: {error}" in output
    subprocess.run(remedy_in(error), shell=True, cwd=smoke, check=True)
    assert job_counts(make(smoke, *by_time))["train"] == len(others)
    records = [json.loads((smoke / RESULTS / "runs" / name / "run.json").read_text()) for name in NO_L2]
    assert {record["settings"]["training"]["learning_rate"] for record in records} == {0.002}


def test_copied_results_of_other_settings_are_not_taken_for_the_studys(smoke):
    shutil.rmtree(smoke / ".snakemake")  # what the results were made with is then known to nobody but themselves
    (smoke / "faster.yaml").write_text("training: {learning_rate: 2.0e-3}")
    output = make(smoke, *SMOKE, "faster.yaml")
    told = re.search(r"Nothing to be done.*\n?.*has other settings than the configuration.*(--forcerun \w+)", output)
    assert told, output
    output = refusal(smoke, *told[1].split(), *SMOKE, "faster.yaml")
    assert "training.learning_rate is 0.001, not 0.002" in output


def test_a_truncated_dataset_is_named_and_is_made_again_without_training_again(smoke):
    dataset = smoke / RESULTS / "dataset/seed0.h5"
    dataset.write_bytes(dataset.read_bytes()[:5000])
    forget(smoke, ["no_l2/width2/seed0"])
    log = f"{RESULTS}/logs/train/no_l2/width2/seed0.log"
    output = refusal(smoke, TABLE, *SMOKE)
    text = (smoke / log).read_text()
    assert "Traceback" in text
    last = text.splitlines()[-1]
    # The reason is shown, and not only where it is.
    assert f"{log}: {last}" in output
    assert "dataset/seed0.h5 is not a complete HDF5 file" in last
    assert "remove it, and it is made again" in last
    assert not (smoke / RESULTS / "runs/no_l2/width2/seed0/losses.csv").exists()
    dataset.unlink()
    make(smoke, TABLE, *SMOKE)
    logs = {name: (smoke / RESULTS / f"logs/train/{name}.log").read_text() for name in NO_L2}
    trained = [name for name, text in logs.items() if f"going on from step {LAST_STEP}" not in text]
    assert "no_l2/width2/seed0" in trained
    # Those of the other seed did not even start again.
    assert len(trained) == 1 + sum(name.endswith("seed1") for name in NO_L2)


@pytest.mark.parametrize("obstacle", ["a file", "a disk that can only be read"])
def test_a_results_folder_that_cannot_be_written_is_reported_before_any_job(checkout, small_disk, obstacle):
    if obstacle == "a file":
        (checkout / "results").write_text("")
    else:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        (checkout / "results").symlink_to(small_disk)
    output = refusal(checkout, *SMOKE)
    assert re.search(r"^pathvars\.results: results/smoke cannot be written: results ", output, re.MULTILINE), output


def test_a_dataset_from_the_future_is_reported_before_any_job(smoke):
    path = RESULTS / "dataset/seed1.json"
    os.utime(smoke / path, (time.time() + 3600,) * 2)
    assert re.search(rf"^{path} is dated in the future", refusal(smoke, *SMOKE), re.MULTILINE)


def test_a_foreign_checkpoint_is_set_aside_and_the_run_starts_again(smoke, finished_smoke):
    runs = smoke / RESULTS / "runs"
    shutil.copy(runs / "no_l2/width3/seed0/checkpoint.pt", runs / "no_l2/width3/seed1/checkpoint.pt")
    (runs / "no_l2/width3/seed1/losses.csv").unlink()
    make(smoke, f"{RESULTS}/runs/no_l2/width3/seed1/losses.csv", *SMOKE)
    assert losses(smoke) == losses(finished_smoke)
    log = (smoke / RESULTS / "logs/train/no_l2/width3/seed1.log").read_text()
    assert "is of a run with other settings and dataset; kept as checkpoint.set_aside.pt" in log
