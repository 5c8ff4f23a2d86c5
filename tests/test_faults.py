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
from pathlib import Path

import pytest
from conftest import ROOT, SMOKE, SMOKE_RUNS, losses, run_snakemake, start_snakemake

RESULTS = "results/smoke"
TABLE = f"{RESULTS}/tables/runs.csv"


def trainers(folder):
    """Process ids of train.py at work in a checkout."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            command = (process / "cmdline").read_text()
            if "scripts/train.py" in command and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


@contextlib.contextmanager
def standing_still(folder):
    """Trainers of a checkout stand still meanwhile, from when there is one."""
    stopped = wait_for(lambda: trainers(folder))
    for trainer in stopped:
        os.kill(trainer, signal.SIGSTOP)
    yield
    for trainer in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(trainer, signal.SIGCONT)


def wait_for(condition, seconds=60):
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError(condition)


def forget(folder, names):
    """Removes runs as if they had never been trained, and the tables that they are in."""
    shutil.rmtree(folder / RESULTS / "tables")
    for name in names:
        shutil.rmtree(folder / RESULTS / "runs" / name)


def train_command(results, folder, *more, epochs=2):
    """A run of the smoke study, into a folder of its own."""
    settings = json.loads((results / "runs/as_posted/width4/seed1/run.json").read_text())["settings"]
    settings["training"]["epochs"] = epochs
    folder.mkdir(exist_ok=True)
    return [
        sys.executable, str(ROOT / "scripts/train.py"), "--settings", json.dumps(settings),
        "--dataset", str(results / "dataset.h5"), "--summary", str(results / "dataset.json"),
        *(f"--{kind}={folder / name}" for kind, name in {
            "losses": "losses.csv", "run": "run.json", "weights": "weights.pt", "checkpoint": "checkpoint.pt"
        }.items()),
        *more,
    ]  # fmt: skip


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_run_killed_at_nine_random_moments_twice_over_is_the_run_that_was_not(finished_smoke, tmp_path):
    results = finished_smoke / RESULTS
    epochs = 60
    whole = run(train_command(results, tmp_path / "whole", epochs=epochs))
    assert whole.returncode == 0, whole.stdout
    expected = json.loads((tmp_path / "whole/run.json").read_text())

    def killed_nine_times(chain):
        folder, moments = tmp_path / f"chain{chain}", random.Random(chain)
        command = train_command(results, folder, "--checkpoint-interval", "0", epochs=epochs)
        for kill in range(9):
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
                process.stdout.readline()
                # However slow the machine is just then, one kill at least leaves a state to go on from.
                if kill == 4:
                    wait_for((folder / "checkpoint.pt").exists)
                time.sleep(moments.uniform(0, expected["seconds"] / 4))
                process.kill()
        last = run(command)
        assert last.returncode == 0, last.stdout
        return folder

    with ThreadPoolExecutor(2) as pool:
        for folder in pool.map(killed_nine_times, range(2)):
            assert (folder / "losses.csv").read_bytes() == (tmp_path / "whole/losses.csv").read_bytes()
            record = json.loads((folder / "run.json").read_text())
            assert record["losses_digest"] == expected["losses_digest"]
            assert record["sittings"] > 1
            assert {path.name for path in folder.iterdir()} == {
                "losses.csv", "run.json", "weights.pt", "checkpoint.pt", "checkpoint.lock"
            }  # fmt: skip


def test_a_trainer_that_is_killed_is_tried_again_with_more_memory(smoke):
    # As the kernel does to a process that runs out of memory.
    forget(smoke, ["as_posted/width4/seed1"])
    workflow = start_snakemake(smoke, f"{RESULTS}/runs/as_posted/width4/seed1/losses.csv", *SMOKE)
    (trainer,) = wait_for(lambda: trainers(smoke))
    os.kill(trainer, signal.SIGKILL)
    output, _ = workflow.communicate()
    assert workflow.returncode == 0, output
    first, second = map(int, re.findall(r"^    resources:.* mem_mb=(\d+)", output, re.MULTILINE))
    assert second == 2 * first


def test_a_killed_workflow_takes_its_trainers_along_and_one_command_recovers(smoke, finished_smoke):
    forget(smoke, SMOKE_RUNS[:4])
    for wait in (0.0, 2.5):
        workflow = start_snakemake(smoke, TABLE, "--rerun-incomplete", *SMOKE)
        wait_for(lambda: trainers(smoke))
        time.sleep(wait)
        workflow.kill()
        workflow.communicate()
        wait_for(lambda: not trainers(smoke), seconds=20)
        assert run_snakemake(smoke, "--unlock", *SMOKE).returncode == 0
    done = run_snakemake(smoke, TABLE, "--rerun-incomplete", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert losses(smoke) == losses(finished_smoke)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_workflow_that_is_asked_to_stop_goes_on_at_the_next_call(smoke, finished_smoke, number):
    forget(smoke, SMOKE_RUNS[:3])
    workflow = start_snakemake(smoke, TABLE, *SMOKE)
    with standing_still(smoke):
        time.sleep(2)  # Snakemake may miss an interrupt that comes while it starts a job
        if number == signal.SIGINT:  # Ctrl-C reaches the whole group
            os.killpg(workflow.pid, number)
        else:
            workflow.send_signal(number)
    output, _ = workflow.communicate()
    assert workflow.returncode != 0, output
    assert not trainers(smoke)
    done = run_snakemake(smoke, TABLE, *SMOKE)
    assert done.returncode == 0, done.stdout
    assert losses(smoke) == losses(finished_smoke)


def test_two_workflows_at_once_are_one_and_advice(smoke, finished_smoke):
    forget(smoke, SMOKE_RUNS[:2])
    first = start_snakemake(smoke, TABLE, *SMOKE)
    with standing_still(smoke):
        second = run_snakemake(smoke, TABLE, *SMOKE)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    assert "--unlock" in second.stdout
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert losses(smoke) == losses(finished_smoke)


def test_two_trainers_of_one_run_take_turns(finished_smoke, tmp_path):
    command = train_command(finished_smoke / RESULTS, tmp_path / "run", epochs=30)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, [command, command]))
    assert [done.returncode for done in both] == [0, 0]
    assert sum("waiting for it to end" in done.stdout for done in both) == 1
    assert sum("going on from step 120" in done.stdout for done in both) == 1


def test_a_trainer_outlives_its_parent_unless_told_otherwise(finished_smoke, tmp_path):
    for option, lives in (("", True), (" --parent $PPID", False)):
        command = train_command(finished_smoke / RESULTS, tmp_path / f"run{lives}", epochs=2000)
        shell = f"exec {shlex.join(command)}{option}"
        parent = subprocess.Popen(
            [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1], shell=True)", shell],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: (tmp_path / f"run{lives}/checkpoint.lock").exists())  # noqa: B023
        parent.kill()
        parent.wait()
        time.sleep(1)
        assert bool(trainers(tmp_path)) == lives
        for process in trainers(tmp_path):
            os.kill(process, signal.SIGKILL)


def fill(disk, *, but):
    """Leaves so many bytes free."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(free - but))


@pytest.mark.parametrize(("room", "unwritten"), [(0, "checkpoint.pt"), (1, "losses.csv")])
def test_a_full_disk_is_said_and_loses_nothing(finished_smoke, small_disk, room, unwritten):
    results = finished_smoke / RESULTS
    folder = small_disk / "run"
    command = train_command(results, folder)
    pages = -(-(results / "runs/as_posted/width4/seed1/checkpoint.pt").stat().st_size // 4096)
    fill(small_disk, but=room * pages * 4096)
    failed = run(command)
    assert failed.returncode != 0
    assert failed.stdout.splitlines()[-1].endswith(f"{unwritten}: cannot be written: No space left on device")
    assert {path.name for path in folder.iterdir()} <= {"checkpoint.lock", "checkpoint.pt"}
    (small_disk / "filler").unlink()
    again = run(command)
    assert again.returncode == 0, again.stdout
    assert ("going on from step 8" in again.stdout) == (room == 1)
    assert (folder / "losses.csv").read_bytes() == (results / "runs/as_posted/width4/seed1/losses.csv").read_bytes()


def test_a_full_disk_leaves_no_half_dataset(finished_smoke, small_disk):
    settings = json.loads((finished_smoke / RESULTS / "dataset.json").read_text())["settings"]
    settings["train_cubes"] = 1000
    command = [
        sys.executable, str(ROOT / "scripts/generate_dataset.py"), "--settings", json.dumps(settings),
        "--dataset", str(small_disk / "dataset.h5"), "--summary", str(small_disk / "dataset.json"),
    ]  # fmt: skip
    failed = run(command)
    assert failed.returncode != 0
    assert "dataset.h5: cannot be written" in failed.stdout.splitlines()[-1]
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("losses.csv", lambda content: b""),
        ("losses.csv", lambda content: content[:-40]),
        ("losses.csv", lambda content: content.replace(b"0.6", b"0.5", 1)),
        ("run.json", lambda content: b""),
        ("run.json", lambda content: content[:100]),
    ],
)
def test_a_spoilt_log_is_named_and_is_written_again_once_removed(smoke, finished_smoke, name, spoil):
    path = smoke / RESULTS / "runs/no_l2/width3/seed0" / name
    path.write_bytes(spoil(path.read_bytes()))
    table = f"{RESULTS}/tables/no_l2/runs.csv"
    (smoke / table).unlink()
    failed = run_snakemake(smoke, table, *SMOKE)
    assert failed.returncode != 0
    last = (smoke / RESULTS / "logs/gather_circumstance/no_l2.log").read_text().splitlines()[-1]
    assert f"runs/no_l2/width3/seed0/{name}: " in last
    assert "remove it to have it written again" in last
    path.unlink()
    planned = run_snakemake(smoke, "--dry-run", *SMOKE)
    assert re.search(r"^train +1$", planned.stdout, re.MULTILINE), planned.stdout
    done = run_snakemake(smoke, table, *SMOKE)
    assert done.returncode == 0, done.stdout
    assert losses(smoke) == losses(finished_smoke)


def test_a_truncated_dataset_is_named_and_is_made_again_without_training_again(smoke):
    dataset = smoke / RESULTS / "dataset.h5"
    dataset.write_bytes(dataset.read_bytes()[:5000])
    forget(smoke, ["no_l2/width2/seed0"])
    target = f"{RESULTS}/tables/no_l2/runs.csv"
    failed = run_snakemake(smoke, target, *SMOKE)
    assert failed.returncode != 0
    log = f"{RESULTS}/logs/train/no_l2/width2/seed0.log"
    assert log in failed.stdout
    text = (smoke / log).read_text()
    assert "Traceback" in text
    last = text.splitlines()[-1]
    assert "dataset.h5: not a whole HDF5 file" in last
    assert "remove it to have it made again" in last
    assert not (smoke / RESULTS / "runs/no_l2/width2/seed0/losses.csv").exists()
    dataset.unlink()
    done = run_snakemake(smoke, target, *SMOKE)
    assert done.returncode == 0, done.stdout
    logs = [(smoke / RESULTS / f"logs/train/{name}.log").read_text() for name in SMOKE_RUNS if name.startswith("no_l2")]
    assert sum("going on from step 8" in log for log in logs) == 5


@pytest.mark.parametrize("obstacle", ["a file", "a disk that can only be read"])
def test_a_results_folder_that_cannot_be_written_is_said_before_any_job(checkout, small_disk, obstacle):
    if obstacle == "a file":
        (checkout / "results").write_text("")
    else:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        (checkout / "results").symlink_to(small_disk)
    failed = run_snakemake(checkout, *SMOKE)
    assert failed.returncode != 0
    assert re.search(r"^results/smoke: cannot be written", failed.stdout, re.MULTILINE), failed.stdout
    assert "Traceback" not in failed.stdout


@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_that_diverges_ends_there_and_stays_so_when_extended(finished_smoke, tmp_path, at_once):
    command = train_command(finished_smoke / RESULTS, tmp_path / "run")
    settings = json.loads(command[3])
    settings["network"]["normalisation"] = "none"
    settings["training"] |= {"learning_rate": 3.0, "optimiser": "sgd", "momentum": 0.99, "epochs": 40}
    if at_once:
        settings["network"] |= {"initialisation": "fixed_std", "initial_std": 1e30}
    command[3] = json.dumps(settings)
    done = run(command)
    assert done.returncode == 0, done.stdout
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["diverged"]
    assert (record["steps"] == 0) == at_once
    assert record["steps"] < 160
    before = (tmp_path / "run/losses.csv").read_bytes()
    assert (before.count(b"\n") == 1) == at_once
    settings["training"]["epochs"] = 60
    command[3] = json.dumps(settings)
    assert run(command).returncode == 0
    assert (tmp_path / "run/losses.csv").read_bytes() == before


def test_a_foreign_checkpoint_is_set_aside_and_the_run_starts_again(smoke, finished_smoke):
    runs = smoke / RESULTS / "runs"
    shutil.copy(runs / "no_l2/width3/seed0/checkpoint.pt", runs / "no_l2/width3/seed1/checkpoint.pt")
    (runs / "no_l2/width3/seed1/losses.csv").unlink()
    done = run_snakemake(smoke, f"{RESULTS}/runs/no_l2/width3/seed1/losses.csv", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert losses(smoke) == losses(finished_smoke)
    log = (smoke / RESULTS / "logs/train/no_l2/width3/seed1.log").read_text()
    assert "is of a run with other settings; kept as checkpoint.set_aside.pt, and the run starts again" in log
