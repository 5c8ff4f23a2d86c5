"""What all stages share: the checked study, and digests of the code behind each script.

Reads the configuration and stops with every error in it before anything is planned.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.pathvars import Pathvars
from snakemake_interface_logger_plugins.common import LogEvent

sys.path.insert(0, str(Path("scripts").resolve()))
# Jobs run in the environment that runs snakemake, activated or not; --sdm conda puts its own before it.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from widthwise.data.source import SourceError, source_of
from widthwise.files import atomic_write, claim
from widthwise.study.circumstances import size_value
from widthwise.study.code_digest import code_digest
from widthwise.study.cost import memory_mb, requested_mb, requested_minutes, run_work, start_work
from widthwise.study.plan import Study, StudyError
from widthwise.study.requirements import PUBLICATION_NEEDS, is_publishable
from widthwise.study.settings import canonical_json

# Seconds by which the clocks of two machines may differ.
MOST_CLOCK_SKEW = 60
CLAIMS = []
LOGS_OF_FAILED = {}

try:
    STUDY = Study(config, yaml.safe_load(Path("config/schema.yaml").read_text()))
except StudyError as error:
    raise WorkflowError(f"The configuration has errors:\n{error}")

# With `~` and environment variables expanded, as the study has it.
workflow.pathvars.update(Pathvars.from_config(STUDY.config))
RESULTS = Path(STUDY.config["pathvars"]["results"])
EXISTING = next(path for path in (RESULTS, *RESULTS.parents) if path.exists())
if not (EXISTING.is_dir() and os.access(EXISTING, os.W_OK)):
    raise WorkflowError(
        f"pathvars.results: {RESULTS} cannot be written: {EXISTING} is no folder or not writable"
    )
SUMMARIES = [RESULTS / "dataset" / f"{draw}.json" for draw in STUDY.draws]
for path in SUMMARIES:
    if path.exists() and path.stat().st_mtime > time.time() + MOST_CLOCK_SKEW:
        raise WorkflowError(
            f"{path} is dated in the future, so that every run would look outdated; touch it"
        )

# What is measured once for all seeds is measured on the first seed's dataset: another seed then changes nothing.
FIRST_DRAW = f"<results>/dataset/{STUDY.draws[0]}"

# The synthetic datasets are equally large; a user's own is known once it has been read.
SOURCE = {}
if STUDY.own_file:
    (summary,) = SUMMARIES
    try:
        SOURCE = source_of(Path(STUDY.own_file), summary)
    except SourceError as error:
        raise WorkflowError(f"dataset.path: {error}")
    # A file that was read before is checked now; a new one is checked when import_dataset has counted its samples.
    last = json.loads(summary.read_text()) if summary.exists() else {}
    if SOURCE["sha256"] == last.get("source", {}).get("sha256") and (
        errors := STUDY.missing_data(last)
    ):
        raise WorkflowError("The configuration has errors:", *errors)


def claim_results():
    """Holds the results folder until this process ends: no other snakemake works in it, from whichever checkout."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    try:
        CLAIMS.append(claim(RESULTS / ".in_use"))
    except BlockingIOError as error:
        raise WorkflowError(
            f"{RESULTS} is in use by the snakemake of {error.strerror}; wait for it, or choose another pathvars.results"
        )


def tell_strength():
    """Says before the runs if they are too few for a published verdict."""
    seeds, sizes = len(STUDY.seeds), min(len(STUDY.sizes(name)) for name in STUDY.judged)
    if not is_publishable(seeds, sizes):
        logger.info(f"{seeds} seeds and {sizes} sizes give an indication; {PUBLICATION_NEEDS}.")


def renew_study_file():
    """Rewrites study.json where it is of another configuration: with --rerun-triggers mtime no rule would."""
    path = RESULTS / "study.json"
    if path.exists() and path.read_text(encoding="utf-8") != f"{STUDY.record}\n":
        with atomic_write(path) as aside:
            aside.write_text(f"{STUDY.record}\n", encoding="utf-8")


def follow(record):
    """A filter of Snakemake's logger: notes the logs of jobs that fail, and completes an error that has no remedy."""
    match getattr(record, "event", None):
        case LogEvent.JOB_ERROR:
            LOGS_OF_FAILED[record.jobid] = record.log
        case LogEvent.JOB_FINISHED:
            LOGS_OF_FAILED.pop(record.job_id, None)
    if "marked for report but does not exist" in str(record.msg):
        record.msg = (
            f"{record.msg} Make it first: the same command with --cores N instead of --report."
        )
    return True


logger.addFilter(follow)


def tell_reasons():
    """Prints the last line of each failed job's log, where it says what is wrong."""
    for path in dict.fromkeys(path for paths in LOGS_OF_FAILED.values() for path in paths):
        lines = Path(path).read_text(errors="replace").split("\n") if Path(path).exists() else []
        if lines := [line for line in lines if line.strip()]:
            logger.error(f"{path}: {lines[-1]}")


def summary_of(path):
    """How much data a dataset holds."""
    return STUDY.synthetic_summary or json.loads(Path(path).read_text())


def code(script, *modules):
    """A digest of a script's code and of what it imports, as a parameter: other code, another result."""
    return code_digest(Path("scripts", f"{script}.py"), *modules)


def run_of(wildcards):
    """The settings of the run that the wildcards name."""
    return STUDY.run_settings(wildcards.circumstance, wildcards.size, wildcards.seed)


def start_of(wildcards):
    """The settings of the starting losses that the wildcards name."""
    return STUDY.start_settings(wildcards.circumstance, wildcards.size)


def first_steps_of(wildcards):
    """The settings of the first steps that the wildcards name."""
    return STUDY.first_steps_settings(wildcards.circumstance, wildcards.size)


def memory_of(settings, batch_size, summary):
    """What a job that computes with this network asks for, in MB."""
    return requested_mb(memory_mb(settings.network, batch_size, summary_of(summary)))


def one_of(names):
    """A wildcard's constraint: only these names."""
    return "|".join(re.escape(str(name)) for name in names)


def reported(path, name, category):
    """A result that stands in the report, under its name, in a category, with captions/{name}.rst beside it."""
    return report(
        path,
        caption=f"captions/{name}.rst",
        category=category,
        labels={"result": name.replace("_", " ")},
    )


EXTENSIONS = ["svg", "pdf", "png"]


def figure(name, category):
    """A figure's three files, by format; the first stands in the report."""
    files = {extension: f"<results>/figures/{name}.{extension}" for extension in EXTENSIONS}
    return files | {"svg": reported(files["svg"], name, category)}


def drawing(name):
    """What sets a figure apart: the module that draws it, and a digest of the code behind it."""
    return {"name": name, "code": code("draw_figure", f"widthwise.figures.{name}")}
