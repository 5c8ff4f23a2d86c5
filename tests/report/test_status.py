"""How far a study is and what it costs, as a user sees it; everything comes from files."""

import io
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from example_study import ROOT, example_study, write_record
from rich.console import Console

from widthwise.report.status import dataset_summary, duration, estimate, measured_speed, overview
from widthwise.study.cost import REFERENCE, Speed
from widthwise.training.progress import LINE

PROGRESS = LINE % (64, 288, 0.6931, 0.6, 0.0931, 0.5, 64, 123.4, 50.0)


@pytest.fixture
def study():
    return example_study(seeds=[0, 1])


def status(study, results, *, every_run=False):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(overview(study, results, every_run=every_run))
    return console.file.getvalue()


def summary(output):
    return re.sub(r"\d\d:\d\d:\d\d", "now", output.splitlines()[-1])


def write_log(results, run, *lines, silence=0.0, started=True):
    """The log of a run whose trainer has started, with its last line so many seconds ago."""
    path = results / "logs/train" / f"{run.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"2026-01-01 12:00:00,000 train: {line}\n" for line in lines))
    changed = time.time() - silence
    os.utime(path, (changed, changed))
    if started:
        folder = results / "runs" / run.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint.lock").touch()


def test_a_study_that_is_not_started_waits(study, tmp_path):
    output = status(study, tmp_path)
    assert summary(output) == f"{tmp_path}, now: 12 runs, 12 waiting"
    assert re.search(r"^no_l2 .* 0/6 *$", output, re.MULTILINE)
    assert "width8" not in output


def test_a_finished_study_is_all_done(study, tmp_path):
    for run in study.runs():
        write_record(study, run, tmp_path)
        write_log(tmp_path, run, PROGRESS)
    short = status(study, tmp_path)
    assert summary(short) == f"{tmp_path}, now: 12 runs, 12 done"
    assert re.search(r"^baseline .* 6/6 *$", short, re.MULTILINE)
    assert "width8" not in short
    rows = re.findall(
        r"^  width\d+/seed\d +done .* 64/288 +0\.6931 +123 ", status(study, tmp_path, every_run=True), re.M
    )
    assert len(rows) == 12


def test_every_state_is_read_from_files_alone(study, tmp_path):
    runs = iter(study.runs())
    write_record(study, next(runs), tmp_path)
    write_record(study, next(runs), tmp_path, diverged=True)
    write_record(study, next(runs), tmp_path, settings={"epochs": 1})
    failed, broken, running, stopped = (next(runs) for _ in range(4))
    write_log(
        tmp_path, failed, "Traceback (most recent call last):", "OSError: losses.csv: cannot be written: No space"
    )
    write_record(study, broken, tmp_path)
    (tmp_path / "runs" / broken.name / "run.json").write_text("")
    # Dated ahead, so that it has been silent for 0 s however slow the machine is just then.
    write_log(tmp_path, running, "going on from step 8, sitting 2", PROGRESS, silence=-60)
    write_log(tmp_path, stopped, PROGRESS, silence=3 * 3600)
    write_log(tmp_path, next(runs), started=False)
    output = status(study, tmp_path)
    assert summary(output) == (
        f"{tmp_path}, now: 12 runs, 1 done, 1 diverged, 1 outdated, 1 running, 1 stopped, 2 failed, 5 waiting"
    )
    assert re.search(r"^baseline +1 diverged, 1 outdated, 2 failed .* 2/6", output, re.MULTILINE)
    assert re.search(rf"^{failed.name}: .*OSError: losses.csv: cannot be written", output, re.MULTILINE)
    assert re.search(rf"^{broken.name}: .*run.json: not the record of a run", output, re.MULTILINE)
    assert re.search(
        rf"^  {running.size}/seed{running.seed} +running, sitting 2 .* 64/288 +0\.6931 +123 +50 s +0 s",
        output,
        re.MULTILINE,
    )
    assert re.search(rf"^  {stopped.size}/seed{stopped.seed} +stopped .* 3 h *$", output, re.MULTILINE)


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a program in place of squeue that prints these lines, or does something else."""

    def put(*lines, program="cat <<'END'\n{}\nEND"):
        path = tmp_path / "bin/squeue"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{program.format(chr(10).join(lines))}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")

    return put


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("PartitionTimeLimit", "set the `runtime` of train in minutes"),
        ("QOSMaxWallDurationPerJobLimit", "set the `runtime` of train in minutes"),
        ("AssocMaxCpuMinutesPerJobLimit", "set the `runtime` of train in minutes"),
        ("MaxMemPerLimit", "set the `mem_mb` of train"),
        ("QOSMaxMemoryPerJob", "set the `mem_mb` of train"),
        ("JobHeldUser", "scontrol release"),
        ("launch failed requeued held", "scontrol release"),
        ("PartitionDown", "the nodes are down"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", "the nodes are down"),
        ("Job's account not permitted to use this partition (main allows a not b)", "another `slurm_partition`"),
        ("PartitionNodeLimit", "another `slurm_partition`"),
        ("QOSMaxGRESPerJob", "another `slurm_partition`"),
    ],
)
def test_jobs_that_slurm_will_never_start_are_told_with_the_remedy(study, tmp_path, squeue, reason, remedy):
    squeue(f"rule_train_wildcards_no_l2_width8_0|{Path.cwd()}|{reason}")
    told = " ".join(status(study, tmp_path).split())
    assert f"SLURM: 1 job of train will not start ({reason}): " in told
    assert remedy in told


def test_jobs_are_counted_for_each_reason_and_rule(study, tmp_path, squeue):
    here = Path.cwd()
    squeue(
        *[f"rule_train_wildcards_no_l2_width8_{seed}|{here}|PartitionTimeLimit" for seed in range(2)],
        f"rule_measure_starts_wildcards_baseline_width8|{here}|PartitionTimeLimit",
        f"rule_predict_masks|{here}|JobHeldUser",
    )
    told = " ".join(status(study, tmp_path).split())
    assert "2 jobs of train and 1 job of measure_starts will not start (PartitionTimeLimit): more time" in told
    assert "the `runtime` of train and measure_starts" in told
    assert "1 job of predict_masks will not start (JobHeldUser): " in told


@pytest.mark.parametrize(
    "job",
    [
        *[f"rule_train_wildcards_no_l2_width8_0|HERE|{reason}" for reason in ("Priority", "Resources", "None")],
        *[f"rule_train|HERE|{reason}" for reason in ("QOSGrpMemLimit", "AssocMaxJobsLimit", "QOSMaxGRESPerUser")],
        "rule_train_wildcards_no_l2_width8_0|/elsewhere|PartitionTimeLimit",
        "(null)|HERE|PartitionTimeLimit",
        "",
    ],
)
def test_jobs_that_will_start_or_are_others_are_not_told(study, tmp_path, squeue, job):
    squeue(job.replace("HERE", str(Path.cwd())))
    assert "SLURM" not in status(study, tmp_path)


def test_a_slurm_that_does_not_answer_leaves_the_status_as_it_is(study, tmp_path, squeue):
    squeue(program="echo 'rule_train|'$PWD'|PartitionTimeLimit'; exit 1")
    assert "SLURM" not in status(study, tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"), [(50, "50 s"), (720, "12 min"), (7200, "2 h"), (30 * 3600, "30 h"), (math.nan, "")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_estimate_adds_up_over_sizes_and_cores(study, tmp_path):
    source, strength, header, *sizes, total = estimate(study, tmp_path, cores=2)
    assert source.startswith("Estimated by the reference machine's speed")
    assert strength.startswith("2 seeds and 3 sizes give an indication; ")
    assert header.split()[:2] == ["size", "runs"]
    assert [line.split()[:2] for line in sizes] == [["width2", "4"], ["width8", "4"], ["width26", "4"]]
    core_hours = sum(float(line.split()[3]) for line in sizes)
    assert total.startswith(f"12 runs, {core_hours:.1f} core-hours: ")
    # With more cores than runs, the longest run decides.
    *_, many = estimate(study, tmp_path, cores=1000)
    seconds_of_the_largest = float(sizes[-1].split()[2])
    assert f" {duration(seconds_of_the_largest)} on 1,000 cores" in many


def test_the_estimate_says_what_is_left_out(tmp_path):
    study = example_study(training={"l2": 0})
    _, told, *_ = estimate(study, tmp_path, cores=2)
    assert told == f"Left out, the same as their reference with these settings: {', '.join(study.left_out)}."
    assert "no_l2" in study.left_out


def test_the_estimate_goes_by_the_speed_of_this_machine_if_it_was_measured(tmp_path):
    speed, source = measured_speed(tmp_path / "speed.json")
    assert speed == REFERENCE
    assert "`snakemake benchmark --cores 1`, followed by your --configfile, measures this machine's" in source
    speed = {"seconds_per_layer": 1e-4, "flops_per_second": 1e12}
    (tmp_path / "speed.json").write_text(json.dumps({"speed": speed, "device": "a GPU", "threads": 1}))
    assert measured_speed(tmp_path / "speed.json") == (Speed(**speed), "by the benchmark on a GPU, 1 thread(s) per run")


def test_own_data_must_be_imported_before_they_are_counted(tmp_path):
    study = example_study(dataset={"path": "mine.npz"}, training={"l2": 0, "l2_as": "loss"})
    with pytest.raises(FileNotFoundError, match=r"dataset/own\.json: not found; import the data first: `snakemake "):
        list(estimate(study, tmp_path, cores=1))
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/own.json").write_text(json.dumps({"class_counts": {"train": [8], "test": [2]}}))
    assert dataset_summary(study, tmp_path)["class_counts"]["test"] == [2]


def command(*arguments, folder=ROOT):
    """What a user sees who pipes the output of study.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/study.py", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "\x1b" not in done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_the_commands_read_a_layered_configuration(tmp_path):
    layer = tmp_path / "mine.yaml"
    layer.write_text(f"pathvars: {{results: {tmp_path}/results}}\nseeds: [0, 7]\n")
    options = ("--configfile", "config/smoke.yaml", layer)
    assert summary(command("status", *options)) == f"{tmp_path}/results, now: 12 runs, 12 waiting"
    assert "seed7" in command("status", "--all", *options)
    assert command("estimate", "--cores", "1", *options).splitlines()[-1].startswith("12 runs, ")
    assert json.loads(command("settings", "baseline/width3/seed7", *options))["network"]["width"] == 3
    assert json.loads(command("settings", "dataset/seed7", *options))["cube_side"] == 9
    said = command("settings", "nothing", *options)
    assert said == (
        "nothing: neither a dataset nor a run of the study; write for example dataset/seed0 or baseline/width4/seed0\n"
    )


def test_a_wrong_configuration_is_reported_in_lines(tmp_path):
    (tmp_path / "bad.yaml").write_text("widths: [-2, 2, 3]\n")
    said = command("status", "--configfile", tmp_path / "bad.yaml").splitlines()
    assert said[0] == "The configuration has errors:"
    assert said[1].startswith("widths.0: ")
    missing = f"none.yaml: No such file or directory (paths are relative to {ROOT})\n"
    assert command("status", "--configfile", "none.yaml") == missing


@pytest.mark.parametrize(
    "arguments", [("status",), ("estimate",), ("describe-config",), ("compare",), ("publish", "x")]
)
def test_the_commands_run_in_the_checkout_alone(tmp_path, arguments):
    said = command(*arguments, folder=tmp_path)
    assert said == f"Snakefile: not found in {tmp_path}; run this in the checkout, where snakemake runs\n"


def test_help_needs_no_library():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['study.py', '--help']\n"
        "try: runpy.run_path('scripts/study.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'pandas', 'yaml', 'rich', 'snakemake'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("settings", "status", "estimate", "compare", "publish", "describe-config"):
        assert f"    {name}" in done.stdout
