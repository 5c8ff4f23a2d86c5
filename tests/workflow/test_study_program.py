"""study.py on a study that snakemake makes: status while it runs, then publication and comparison."""

import json
import os
import re
import sys
import time

import pandas
import torch
import train
import yaml
from workflow.checkout import LAST_STEP, RESULTS, SMOKE, SMOKE_RUNS, make, run_program, start_snakemake
from workflow.trainers import FILES, wait_for

EPOCHS = 20_000
STEPS = EPOCHS * LAST_STEP // 10


def status(folder, *arguments):
    done = run_program(folder, "study.py", "status", *arguments)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    return done.stdout


def summary(output):
    return re.sub(r"\d\d:\d\d:\d\d", "now", output.splitlines()[-1])


def test_a_finished_study_is_all_done(finished_smoke):
    output = status(finished_smoke, *SMOKE, "--all")
    assert summary(output) == f"{RESULTS}, now: 12 runs, 12 done"
    rows = re.findall(rf"^  width\d/seed\d +done .* {LAST_STEP}/{LAST_STEP} +\d\.\d{{4}} ", output, re.MULTILINE)
    assert len(rows) == len(SMOKE_RUNS)


def test_a_run_at_work_is_followed_until_it_is_killed(smoke):
    (smoke / "longer.yaml").write_text(f"training: {{epochs: {EPOCHS}}}\n")
    longer = (*SMOKE, "longer.yaml")
    log = smoke / RESULTS / "logs/train/baseline/width4/seed1.log"
    with start_snakemake(smoke, f"{RESULTS}/runs/baseline/width4/seed1/run.json", *longer):
        # The finished run's log is there before.
        for text in (f"going on from step {LAST_STEP}, sitting 2", f" of {STEPS}: objective"):
            wait_for(lambda text=text: log.exists() and text in log.read_text())
        output = status(smoke, *longer)
    assert summary(output) == f"{RESULTS}, now: 12 runs, 11 outdated, 1 running"
    row = rf"^  width4/seed1 running, sitting 2 .* \d+/{STEPS} +\d\.\d{{4}} +\d+ +\d+ \w+ +\d+ s"
    assert re.search(row, output, re.MULTILINE), output
    long_ago = time.time() - 3 * 3600
    os.utime(log, (long_ago, long_ago))
    output = status(smoke, *longer)
    assert summary(output) == f"{RESULTS}, now: 12 runs, 11 outdated, 1 stopped"
    assert re.search(r"^  width4/seed1 stopped, sitting 2 .* 3 h", output, re.MULTILINE), output


def test_progress_lines_go_to_the_log_alone(finished_smoke, tmp_path, monkeypatch, caplog):
    results = finished_smoke / RESULTS
    run = SMOKE_RUNS[0]
    settings = run_program(finished_smoke, "study.py", "settings", run, *SMOKE).stdout
    options = [f"--{kind}={tmp_path / name}" for kind, name in FILES.items()]
    data = [f"--dataset={results}/dataset/seed0.h5", f"--summary={results}/dataset/seed0.json"]
    monkeypatch.setattr(train, "SIGN_OF_LIFE", 0)
    monkeypatch.setattr(sys, "argv", ["train.py", f"--settings={settings}", *data, *options])
    with caplog.at_level("INFO"):
        train.main()
    torch.set_flush_denormal(False)
    steps = [int(step) for step in re.findall(rf"step (\d+) of {LAST_STEP}: objective .* samples/s", caplog.text)]
    assert steps == sorted(steps)
    assert {0, 1, LAST_STEP // 2, LAST_STEP} <= set(steps)
    assert (tmp_path / "losses.csv").read_bytes() == (results / "runs" / run / "losses.csv").read_bytes()


def test_a_finished_study_is_published_and_agrees_with_itself(smoke):
    done = run_program(smoke, "study.py", "publish", "example", *SMOKE)
    assert done.returncode == 0, done.stderr
    published = smoke / "results/reference/example"
    assert (published / "tables/losses.csv.xz").exists()
    assert (published / "figures/loss_curves.svg").exists()
    run = json.loads((smoke / RESULTS / "runs" / SMOKE_RUNS[0] / "run.json").read_text())
    versions = json.loads((published / "versions.json").read_text())
    assert versions == {"protocol": 2} | {name: [version] for name, version in run["versions"].items()}
    compared = run_program(smoke, "study.py", "compare", *SMOKE)
    verdicts = pandas.read_csv(smoke / RESULTS / "tables/verdicts.csv")
    assert compared.stdout.splitlines()[-1] == f"{len(verdicts)} verdicts: {len(verdicts)} same verdict"


def test_the_published_configuration_runs_the_study_again(smoke):
    run_program(smoke, "study.py", "publish", "example", *SMOKE)
    settings = json.loads((smoke / "results/reference/example/study.json").read_text())
    (smoke / "again.yaml").write_text(yaml.safe_dump(settings | {"pathvars": {"results": str(RESULTS)}}))
    assert "Nothing to be done" in make(smoke, "--dry-run", "--configfile", "again.yaml")


def test_settings_are_what_a_run_was_trained_with(finished_smoke):
    printed = run_program(finished_smoke, "study.py", "settings", SMOKE_RUNS[0], *SMOKE).stdout
    record = json.loads((finished_smoke / RESULTS / "runs" / SMOKE_RUNS[0] / "run.json").read_text())
    assert json.loads(printed) == record["settings"]


def test_snakemake_takes_the_pinned_logger(checkout):
    assert re.search(r"^ *train +12 *$", make(checkout, "--dry-run", "--logger", "rich", *SMOKE), re.MULTILINE)


def test_a_dry_run_says_what_the_study_cannot_tell(clean_checkout):
    planned = make(clean_checkout, "--dry-run", "describe_study", *SMOKE, "--config", "study=[no_l2]")
    assert "Not compared, since the reference is not in `study`: no_l2 (against baseline)." in planned
    assert "2 seeds and 3 sizes give an indication; a published verdict needs" in planned
