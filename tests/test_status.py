"""What a user sees while a study runs: the table of its runs, and Snakemake's own progress."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import train
from conftest import ROOT, SMOKE, SMOKE_RUNS, run_snakemake, start_snakemake

RESULTS = "results/smoke"


def status(folder, *arguments):
    """What a user sees who pipes it."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/status.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\x1b" not in done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def summary(output):
    return re.sub(r"\d\d:\d\d:\d\d", "now", output.splitlines()[-1])


def wait_for_text(path, text):
    end = time.monotonic() + 60
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < end, text
        time.sleep(0.05)


def test_a_finished_study_is_all_done(finished_smoke):
    short = status(finished_smoke, *SMOKE)
    assert summary(short) == "results/smoke, now: 12 runs, 12 done"
    assert re.search(r"^no_l2 .* 6/6 *$", short, re.MULTILINE)
    assert "width4" not in short
    whole = status(finished_smoke, *SMOKE, "--all")
    assert len(re.findall(r"^  width\d/seed\d +done .* 8/8 +0\.\d{4} ", whole, re.MULTILINE)) == 12


def test_every_state_is_told_from_files_alone(smoke):
    runs, logs = smoke / RESULTS / "runs", smoke / RESULTS / "logs/train"
    shutil.rmtree(runs / "no_l2/width3")
    diverged = runs / "no_l2/width4/seed0/run.json"
    diverged.write_text(json.dumps(json.loads(diverged.read_text()) | {"diverged": True}))
    (runs / "no_l2/width4/seed1/run.json").write_text("")
    (runs / "as_posted/width2/seed0/run.json").unlink()
    with (logs / "as_posted/width2/seed0.log").open("a") as log:
        log.write("Traceback (most recent call last):\nOSError: losses.csv: cannot be written: No space left\n")
    output = status(smoke, *SMOKE)
    assert summary(output) == "results/smoke, now: 12 runs, 7 done, 1 diverged, 2 failed, 2 waiting"
    assert re.search(r"^no_l2 +1 diverged, 1 failed .* 3/6", output, re.MULTILINE)
    assert re.search(r"^as_posted/width2/seed0: OSError: losses.csv: cannot be written", output, re.MULTILINE)
    assert re.search(r"^no_l2/width4/seed1: .*run.json: not a run's record", output, re.MULTILINE)


def test_a_run_at_work_is_followed_until_it_is_killed(smoke):
    (smoke / "longer.yaml").write_text("training: {epochs: 20000}\n")
    longer = (*SMOKE, "longer.yaml")
    log = smoke / RESULTS / "logs/train/as_posted/width4/seed1.log"
    workflow = start_snakemake(smoke, f"{RESULTS}/runs/as_posted/width4/seed1/run.json", *longer)
    wait_for_text(log, "going on from step 8, sitting 2")
    wait_for_text(log, "step 64 of 80000")
    output = status(smoke, *longer)
    assert summary(output) == "results/smoke, now: 12 runs, 11 outdated, 1 running"
    assert re.search(r"^  width4/seed1 running, sitting 2 .* \d+/80000 +0\.\d{4} +\d+ +\d+ \w+ +\d s", output, re.M), (
        output
    )
    os.killpg(workflow.pid, signal.SIGKILL)
    workflow.communicate()
    long_ago = time.time() - 3 * 3600
    os.utime(log, (long_ago, long_ago))
    output = status(smoke, *longer)
    assert summary(output) == "results/smoke, now: 12 runs, 11 outdated, 1 stopped"
    assert re.search(r"^  width4/seed1 stopped, sitting 2 .* 3 h", output, re.MULTILINE), output


def test_a_wrong_configuration_is_said_as_snakemake_says_it(checkout):
    (checkout / "bad.yaml").write_text("widths: [-2, 2, 3]\n")
    assert "widths.0: given -2; allowed: an integer at least 1" in status(checkout, *SMOKE, "bad.yaml")
    assert "none.yaml" in status(checkout, "--configfile", "none.yaml")


def test_signs_of_life_go_to_the_log_alone(finished_smoke, tmp_path, monkeypatch, caplog):
    results = finished_smoke / RESULTS
    settings = json.dumps(json.loads((results / "runs" / SMOKE_RUNS[0] / "run.json").read_text())["settings"])
    files = {"losses": "losses.csv", "run": "run.json", "weights": "weights.pt", "checkpoint": "checkpoint.pt"}
    monkeypatch.setattr(train, "SIGN_OF_LIFE", 0)
    monkeypatch.setattr(
        sys,
        "argv",
        ["train.py", "--settings", settings, f"--dataset={results}/dataset.h5", f"--summary={results}/dataset.json"]
        + [f"--{kind}={tmp_path / name}" for kind, name in files.items()],
    )
    with caplog.at_level("INFO"):
        train.main()
    told = re.findall(r"step (\d) of 8: objective .* at step (\d); [\d.]+ cubes/s", caplog.text)
    assert told == [(str(step), str(step if step in (0, 1, 2, 4, 6, 8) else step - 1)) for step in range(9)]
    assert (tmp_path / "losses.csv").read_bytes() == (results / "runs" / SMOKE_RUNS[0] / "losses.csv").read_bytes()


def test_snakemake_takes_the_pinned_logger(checkout):
    done = run_snakemake(checkout, "--dry-run", "--logger", "rich", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^ *train +12 *$", done.stdout, re.MULTILINE), done.stdout
