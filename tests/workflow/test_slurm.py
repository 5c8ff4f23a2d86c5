"""The SLURM profiles as shipped, on a real SLURM: a study ends complete and the same, whatever happens to its jobs."""

import contextlib
import os
import re
import shutil
import signal
import time

import pandas
import pytest
from workflow.checkout import (
    RESULTS,
    SMOKE,
    WIDTHS,
    copy_checkout,
    copy_study,
    losses,
    make,
    output_of,
    run_program,
    start_snakemake,
)
from workflow.slurm_cluster import Cluster, missing_programs
from workflow.trainers import training_in

# The shipped profiles wait for clusters that are slower than this one.
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")
SLURM, ARRAY = (("--profile", f"config/profiles/{name}", *QUICK) for name in ("slurm", "slurm-array"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if missing := missing_programs():
        pytest.skip(f"SLURM is not installed here: no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("starting a SLURM takes root")
    cluster = Cluster(tmp_path_factory.mktemp("slurm") / "cluster")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def accounted(cluster, since):
    """What sacct says of every job since then."""
    lines = cluster.output(
        "sacct", "-X", "-n", "-P", "-S", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since)),
        "--format=JobID,State,ReqMem,TimelimitRaw,Comment",
    )  # fmt: skip
    columns = ["job", "state", "memory", "minutes", "comment"]
    return pandas.DataFrame([line.split("|") for line in lines.splitlines()], columns=columns)


def resources(folder, *arguments):
    """The memory and minutes that training jobs ask for, as a dry run tells them."""
    text = make(folder, "--dry-run", "--forceall", *arguments)
    blocks = re.findall(r"^rule train:\n(.*?)\n(?:\[|$)", text, re.MULTILINE | re.DOTALL)
    return sorted(
        (int(re.search(r"[, ]mem_mb=(\d+)", block)[1]), int(re.search(r"runtime=(\d+)", block)[1])) for block in blocks
    )


def test_a_second_cluster_is_refused_and_leaves_the_first_alone(cluster, tmp_path):
    second = Cluster(tmp_path / "second")
    with pytest.raises(FileExistsError, match=rf"slurm\.conf: in use by the SLURM in {cluster.folder}; stop it first"):
        second.start()
    second.stop()
    assert cluster.succeeds("scontrol", "ping")


def test_a_study_through_the_profile(cluster, finished_smoke, tmp_path):
    checkout, since = copy_checkout(tmp_path / "checkout"), time.time()
    (checkout / "one.yaml").write_text("study: [baseline]")
    study = (*SMOKE, "one.yaml")
    make(checkout, *(f"{RESULTS}/tables/{name}" for name in ("verdicts.csv", "segmentation.npz")), *SLURM, *study)
    assert losses(checkout) == {
        name: log for name, log in losses(finished_smoke).items() if name.startswith("baseline/")
    }
    assert (checkout / RESULTS / "tables/verdicts.csv").exists()
    jobs = accounted(cluster, since)
    assert jobs["comment"].str.extract(r"rule_(train|measure_starts|predict_masks)")[0].value_counts().to_dict() == {
        "train": 6, "measure_starts": 3, "predict_masks": 1
    }  # fmt: skip
    assert len(jobs) == 10
    assert set(jobs["state"]) == {"COMPLETED"}
    jobs = jobs[jobs["comment"].str.startswith("rule_train")]
    asked = sorted((int(m.removesuffix("M")), int(t)) for m, t in zip(jobs["memory"], jobs["minutes"], strict=True))
    assert asked == resources(checkout, *study)


def test_more_runs_than_an_array_holds(cluster, finished_smoke, tmp_path):
    checkout, since = copy_checkout(tmp_path / "checkout"), time.time()
    names = [f"no_l2/width{width}/seed0" for width in WIDTHS]
    make(checkout, *(f"{RESULTS}/runs/{name}/losses.csv" for name in names), *ARRAY, "--slurm-array-limit", "2", *SMOKE)
    expected = losses(finished_smoke)
    assert losses(checkout) == {name: expected[name] for name in names}
    jobs = accounted(cluster, since)
    jobs = jobs[jobs["job"].str.contains("_")]
    assert set(jobs["state"]) == {"COMPLETED"}
    assert sorted(jobs.groupby(jobs["job"].str.split("_").str[0]).size()) == [1, 2]


def test_a_partition_whose_limit_is_below_what_jobs_ask_for_is_told(cluster, smoke):
    run = "no_l2/width2/seed0"
    target = f"{RESULTS}/runs/{run}/losses.csv"
    shutil.rmtree(smoke / RESULTS / "runs" / run)
    cluster.run("scontrol", "update", "PartitionName=main", "MaxTime=1")
    try:
        with start_snakemake(smoke, target, *SLURM, *SMOKE) as workflow:
            reason = "PartitionTimeLimit"
            cluster.wait_for(lambda: reason in cluster.output("squeue", "-h", "-o", "%r"), "the job's reason")
            told = " ".join(run_program(smoke, "study.py", "status", *SMOKE).stdout.split())
            workflow.send_signal(signal.SIGINT)
            output_of(workflow)
        assert f"SLURM: 1 job of train will not start ({reason}): more time is asked for" in told
        assert "Interrupt snakemake, which cancels the jobs, and set the `runtime` of train in minutes" in told
        cluster.wait_for(lambda: not cluster.output("squeue", "-h"), "the cancelled job's end")
        profile = smoke / "config/profiles/slurm/config.yaml"
        with profile.open("a") as stream:
            stream.write("\nset-resources: {train: {runtime: 1}}\n")
        make(smoke, target, *SLURM, *SMOKE)
    finally:
        cluster.run("scontrol", "update", "PartitionName=main", "MaxTime=INFINITE")


def test_without_accounting_squeue_says_that_jobs_have_ended(cluster, smoke):
    run = "no_l2/width2/seed0"
    shutil.rmtree(smoke / RESULTS / "runs" / run)
    cluster.stop_accounting()
    try:
        make(smoke, f"{RESULTS}/runs/{run}/losses.csv", *SLURM, "--slurm-status-command", "squeue", *SMOKE)
    finally:
        cluster.start_accounting()


def test_whatever_happens_to_jobs_the_study_ends_complete_and_the_same(cluster, smoke, finished_smoke, tmp_path):
    study = "pathvars: {results: results/%s}\nstudy: [no_l2]\ntraining: {epochs: 700}\nevaluation: {row_interval: 8}\n"
    names = [f"no_l2/width{width}/seed0" for width in WIDTHS]

    def arguments(folder, results):
        (folder / f"{results}.yaml").write_text(study % results)
        return *(f"results/{results}/runs/{name}/losses.csv" for name in names), *SMOKE, f"{results}.yaml"

    since = time.time()

    def at_work(but):
        """A training job, other than these, that has taken steps."""
        for line in cluster.output("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines():
            job, comment = line.split(maxsplit=1)
            run = re.search(r"rule_train.*no_l2_(width\d+)_(\d+)", comment)
            if run and job not in but:
                log = smoke / f"results/disturbed/logs/train/no_l2/{run[1]}/seed{run[2]}.log"
                with contextlib.suppress(FileNotFoundError):
                    if "step 0 of" in log.read_text():
                        return job
        return None

    def overrun(job):
        """Makes a job longer than its limit, whose least is a minute: its trainer stands still."""
        cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        comment = cluster.output("squeue", "-h", "-j", job, "-o", "%k")
        width = re.search(r"no_l2_(width\d+)", comment)[1]
        (trainer,) = training_in(smoke, f"disturbed/runs/no_l2/{width}/")
        os.kill(trainer, signal.SIGSTOP)

    disturbed = []
    with start_snakemake(smoke, *arguments(smoke, "disturbed"), *SLURM) as workflow:
        for disturb in (
            overrun,
            lambda job: cluster.run("scontrol", "requeue", job),
            lambda job: cluster.run("scancel", job),
        ):
            deadline = time.monotonic() + 180
            while (job := at_work(disturbed)) is None:
                assert time.monotonic() < deadline
                assert workflow.poll() is None, output_of(workflow)
                time.sleep(0.2)
            disturb(job)
            disturbed.append(job)
        cluster.stop_controller()
        time.sleep(3)
        cluster.start_controller()
        # Meanwhile the same runs without a disturbance, in another checkout: `disturbed` is to have this one to itself.
        undisturbed = copy_study(finished_smoke, tmp_path / "undisturbed")
        make(undisturbed, *arguments(undisturbed, "at_once"))
        output = output_of(workflow)
    assert workflow.returncode == 0, output

    jobs = accounted(cluster, since)
    states = jobs.groupby("job")["state"].last()
    assert states[disturbed[0]] == "TIMEOUT"
    assert states[disturbed[1]] == "COMPLETED"
    assert states[disturbed[2]].startswith("CANCELLED")
    assert losses(smoke, "results/disturbed") == losses(undisturbed, "results/at_once")
