"""What users of other workflows have reported: each ends well, or in one line that says what to do."""

import json
import re
import resource
from pathlib import Path

import pytest
from matplotlib import pyplot
from settings import errors_of
from workflow.checkout import CIRCUMSTANCES, RESULTS, SMOKE, losses, make, planned, refusal, run_program, run_snakemake

from widthwise.figures.style import save

FREE_TEXT = r"""\sigma_{w}^2 {wildcards.seed} {{x}} %s $HOME `ls` "a" 'b' <i> a | b \n é"""
ODD_NAME = """a b'c"d;e*[f]?#g\\h&i|j %s é,=:(x)!~`"""


def planned_for(folder, *arguments):
    """What a dry run prints, which must succeed."""
    done = run_snakemake(folder, "--dry-run", *arguments, cores=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Paths


def test_a_results_folder_of_any_name_works(smoke, finished_smoke):
    results = Path("results", ODD_NAME)
    (smoke / RESULTS).rename(smoke / results)
    (smoke / "odd.yaml").write_text(json.dumps({"pathvars": {"results": str(results)}}))
    (smoke / results / "runs/no_l2/width2/seed0/losses.csv").unlink()
    tables = [f"{results}/tables/{name}.csv" for name in ("no_l2/runs", "verdicts")]
    make(smoke, *tables, "--force", *SMOKE, "odd.yaml")
    assert losses(smoke, results) == losses(finished_smoke)


@pytest.mark.parametrize("start", ["~", "$SCRATCH", "${SCRATCH}"])
def test_home_and_variables_are_expanded_in_paths(clean_checkout, tmp_path, monkeypatch, start):
    monkeypatch.setenv("HOME" if start == "~" else "SCRATCH", str(tmp_path))
    (tmp_path / "there.yaml").write_text(f"pathvars: {{results: '{start}/ww'}}")
    dataset = f"{tmp_path}/ww/dataset/seed0.json"
    assert dataset in planned_for(clean_checkout, "--cores", "1", dataset, *SMOKE, str(tmp_path / "there.yaml"))


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("$NOT_SET/ww", "write a path without '$', or set the environment variable"),
        ("results/{x}", "write a path without '{'"),
        ("a<b>", "write a path without '<'"),
        ("-x", "write a path that does not begin with '-'"),
    ],
)
def test_a_path_that_snakemake_would_change_is_refused(path, remedy):
    (line,) = errors_of(("pathvars", {"results": path}))
    assert line.startswith("pathvars.results: ")
    assert line.endswith(f" given; {remedy}")


def test_it_says_where_it_is_called(clean_checkout, tmp_path):
    snakefile = clean_checkout / "Snakefile"
    another, importing = tmp_path / "another", tmp_path / "importing"
    (another / "config").mkdir(parents=True)
    (another / "config/schema.yaml").touch()
    importing.mkdir()
    (importing / "Snakefile").write_text(f"module ours:\n    snakefile: '{snakefile}'\nuse rule * from ours\n")
    for folder, arguments in (
        (tmp_path, ("--snakefile", str(snakefile))),
        (clean_checkout, ("--directory", str(tmp_path))),
        (another, ("--snakefile", str(snakefile))),
        (importing, ()),
    ):
        output = refusal(folder, "--dry-run", *arguments)
        line = (
            rf"^{tmp_path}(/another|/importing)? is not the checkout; call snakemake in {clean_checkout} \(as a module "
        )
        assert re.search(line, output, re.MULTILINE), output


def test_a_home_that_cannot_be_written_needs_another_cache(clean_checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/nothing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert planned(clean_checkout, *SMOKE)["train"] == 12


# Texts and numbers


def test_texts_of_the_catalogue_are_free(smoke):
    texts = dict.fromkeys(("hypothesis", "source", "look_for", "change"), FREE_TEXT)
    (smoke / "texts.yaml").write_text(json.dumps({"circumstances": dict.fromkeys(CIRCUMSTANCES, texts)}))
    make(smoke, f"{RESULTS}/answer.md", *SMOKE, "texts.yaml")
    study = json.loads((smoke / RESULTS / "study.json").read_text())
    assert texts.items() <= study["circumstances"]["no_l2"].items()
    assert FREE_TEXT.split("<")[0].strip() in (smoke / RESULTS / "evidence.md").read_text()


def test_numbers_in_a_list_of_config_are_text_and_the_error_says_so(clean_checkout):
    output = refusal(clean_checkout, "--dry-run", *SMOKE, "--config", "widths=[2,3,5]")
    assert re.search(
        r"^widths\.0: given \"2\"; .*write 2 without quotes, and in a file for --configfile", output, re.MULTILINE
    )


def test_files_behind_two_configfiles_are_refused(clean_checkout):
    output = refusal(clean_checkout, "--dry-run", *SMOKE, "--configfile", "config/studies/rates.yaml")
    assert "--configfile is given twice: give all files behind one" in output


def test_study_takes_the_config_that_snakemake_takes(finished_smoke):
    def status(*values):
        return run_program(finished_smoke, "study.py", "status", *SMOKE, "--config", *values)

    assert status("device=cpu").stdout.endswith("12 runs, 12 done\n")
    assert status("pathvars={results: elsewhere}", "study=[no_l2]").stdout.endswith(" 6 runs, 6 waiting\n")
    for values, line in {
        "device": "--config: .*name=value",
        "device=tpu": 'device: given "tpu"; allowed: auto',
    }.items():
        refused = status(values)
        assert refused.returncode != 0
        assert re.search(f"^{line}", refused.stderr, re.MULTILINE), refused.stderr
        assert "Traceback" not in refused.stderr


# Targets


def test_the_benchmark_is_planned_with_a_clusters_profile(clean_checkout):
    assert "measure_speed" in planned_for(clean_checkout, "benchmark", "--profile", "config/profiles/slurm", *SMOKE)


def test_a_report_of_an_unfinished_study_says_what_to_make(clean_checkout, tmp_path):
    output = refusal(clean_checkout, "--report", str(tmp_path / "report.html"), *SMOKE)
    line = r"^File results/smoke/\S+ marked for report but does not exist\. Make it first: .*--cores N"
    assert re.search(line, output, re.MULTILINE), output


def test_the_reason_of_a_failed_job_is_shown_however_quiet(checkout):
    (checkout / "small.yaml").write_text("dataset: {volume_side: 9}")
    output = refusal(checkout, f"{RESULTS}/dataset/seed0.json", "--quiet", *SMOKE, "small.yaml")
    reason = rf"^{RESULTS}/logs/generate_dataset/seed0\.log: .*raise dataset\.volume_side"
    assert re.search(reason, output, re.MULTILINE), output


def test_a_reason_that_many_jobs_share_is_told_once(checkout):
    (checkout / "small.yaml").write_text("dataset: {volume_side: 9}")
    output = refusal(checkout, "--keep-going", "--quiet", *SMOKE, "small.yaml")
    assert len(re.findall("raise dataset.volume_side", output)) == 1, output
    assert "seed0.log and 1 more: " in output


@pytest.mark.parametrize("extension", ["svg", "pdf", "png"])
def test_a_figure_that_does_not_fit_on_the_disk_is_named(tmp_path, extension):
    path = tmp_path / f"figure.{extension}"
    figure, axes = pyplot.subplots()
    axes.plot([0, 1] * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a larger file raises OSError, as a full disk does
    try:
        with pytest.raises(OSError, match=rf"figure\.{extension}: cannot be written: File too large"):
            save(figure, [path])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


# Strength


def test_a_study_too_small_to_publish_says_so_before_its_runs(clean_checkout, tmp_path):
    results = tmp_path / "small"
    (tmp_path / "small.yaml").write_text(f"pathvars: {{results: '{results}'}}")
    (tmp_path / "enough.yaml").write_text("{seeds: [0, 1, 2, 3, 4], widths: [2, 3, 4, 5]}")
    study = (*SMOKE, str(tmp_path / "small.yaml"))
    told = "a published verdict needs 5 seeds and 4 sizes"
    assert told in make(clean_checkout, f"{results}/study.json", *study)
    assert told not in make(clean_checkout, f"{results}/study.json", *study, str(tmp_path / "enough.yaml"))
