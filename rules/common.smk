"""What all stages share: the checked study, and digests of the code behind each script.

Reads the configuration and stops with every error in it before anything is planned.
"""

import json
import os
import re
import sys
import time
from functools import cache
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
from widthwise.study.architecture import Task, complexity_of
from widthwise.study.circumstances import size_value
from widthwise.study.code_digest import code_digest
from widthwise.study.cost import memory_mb, requested_mb, requested_minutes, run_work, start_work
from widthwise.study.curves import study_of
from widthwise.study.plan import StudyError
from widthwise.study.settings import canonical_json

# Seconds by which the clocks of two machines may differ.
MOST_CLOCK_SKEW = 60
CLAIMS = []
STARTED = time.time()
FAILED = {}

# Snakemake would take the last one alone, without a word.
if sum(bool(re.match("--configfiles?(=|$)", word)) for word in sys.argv) > 1:
    raise WorkflowError(
        "--configfile is given twice: give all files behind one, as in --configfile first.yaml mine.yaml"
    )

try:
    STUDY = study_of(config, yaml.safe_load(Path("config/schema.yaml").read_text()))
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
            f"{path} is dated in the future, so that every run would look outdated; give it the date of an older file: "
            f"touch -r Snakefile {path}"
        )

# What is measured once for all seeds is measured on the first seed's dataset: another seed then changes nothing.
FIRST_DRAW = None if STUDY.curves else f"<results>/dataset/{STUDY.draws[0]}"

# What loss curves alone do not have.
SUMMARY = {} if STUDY.curves else {"dataset": f"{FIRST_DRAW}.json"}
PRINTED = {} if STUDY.curves else {"printed": "<results>/tables/printed.csv"}

# The synthetic datasets are equally large; a user's own is known once it has been read. None: imported, and gone since.
SOURCE = {}
if STUDY.own_file:
    (summary,) = SUMMARIES
    try:
        SOURCE = source_of(Path(STUDY.own_file), STUDY.import_settings, summary)
    except SourceError as error:
        raise WorkflowError(f"dataset.path: {error}")
    # A file that was read before is checked now; a new one is checked when import_dataset has counted its samples.
    last = json.loads(summary.read_text()) if summary.exists() else {}
    is_imported = SOURCE is None or SOURCE["sha256"] == last.get("source", {}).get("sha256")
    if is_imported and (errors := STUDY.missing_data(last)):
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


def renew_study_file():
    """Rewrites study.json where it is of another configuration: with --rerun-triggers mtime no rule would."""
    if not study_file_is_current():
        with atomic_write(RESULTS / "study.json") as aside:
            aside.write_text(f"{STUDY.record}\n", encoding="utf-8")


def study_file_is_current():
    """Whether study.json, if there is one, is of this configuration."""
    path = RESULTS / "study.json"
    return not path.exists() or path.read_text(encoding="utf-8") == f"{STUDY.record}\n"


def follow(record):
    """A filter of Snakemake's logger: notes the jobs that fail, and completes messages that leave something unsaid."""
    match getattr(record, "event", None):
        case LogEvent.RUN_INFO:
            record.msg = "\n".join([record.msg.rstrip("\n"), *STUDY.limitations, ""])
        case LogEvent.JOB_ERROR:
            FAILED[record.jobid] = (record.rule_msg, record.log)
        case LogEvent.JOB_FINISHED:
            FAILED.pop(record.job_id, None)
    if "marked for report but does not exist" in str(record.msg):
        record.msg = (
            f"{record.msg} Make it first: the same command with --cores N instead of --report."
        )
    if str(record.msg).startswith("Nothing to be done") and not study_file_is_current():
        record.msg = (
            f"{record.msg} But {RESULTS}/study.json has other settings than the configuration, and Snakemake does not "
            "know what the results were made with: --forcerun describe_study compares every run with the configuration."
        )
    return True


logger.addFilter(follow)


def tell_reasons():
    """Prints why jobs failed: the last line of each log, or without one what the cluster said. Each reason once."""
    logs = {}
    for message, paths in FAILED.values():
        for path in map(Path, paths):
            # An older log is of another job.
            lines = path.read_text(errors="replace").split("\n") if is_new(path) else []
            if lines := [line for line in lines if line.strip()] or (message or "").split("\n")[:1]:
                logs.setdefault(lines[-1].strip(), []).append(path)
    for reason, paths in logs.items():
        first, *others = sorted(paths)  # whichever job failed first
        logger.error(f"{first}{f' and {len(others)} more' if others else ''}: {reason}")


def is_new(path):
    """Whether this call of snakemake wrote the file."""
    return path.exists() and path.stat().st_mtime > STARTED - MOST_CLOCK_SKEW


def summary_of(path):
    """How much data a dataset holds."""
    return STUDY.synthetic_summary or read_json(path)


def read_json(path):
    """The content of a file, which many jobs ask for; it is read again only where it was made again."""
    return content_of(path, Path(path).stat().st_mtime_ns)


@cache
def content_of(path, modified):
    """The content of a JSON file of this time."""
    return json.loads(Path(path).read_text())


def code(script, *modules):
    """A digest of a script's code and of what it imports, as a parameter: other code, another result."""
    return code_digest(Path("scripts", f"{script}.py"), *modules)


@cache  # a job asks for them several times
def run_settings(circumstance, size, seed):
    """The settings of a run."""
    return STUDY.run_settings(circumstance, size, seed)


def run_of(wildcards):
    """The settings of the run that the wildcards name."""
    return run_settings(wildcards.circumstance, wildcards.size, wildcards.seed)


def widest_run_of(wildcards):
    """The settings of the widest run of the circumstance and seed that the wildcards name."""
    size = max(STUDY.sizes(wildcards.circumstance), key=size_value)
    return run_settings(wildcards.circumstance, size, wildcards.seed)


def start_of(wildcards):
    """The settings of the starting losses that the wildcards name."""
    return STUDY.start_settings(wildcards.circumstance, wildcards.size)


def first_steps_of(wildcards):
    """The settings of the first steps that the wildcards name."""
    return STUDY.first_steps_settings(wildcards.circumstance, wildcards.size)


def network_of(settings):
    """The file that says what a user's own network of these settings costs."""
    return f"<results>/networks/{STUDY.trial_name(settings)}.json"


def networks_of(settings_of):
    """The input of a rule whose jobs train a user's own network, or nothing for the built-in network.

    Each network is tried, and its cost is written, before any is trained. Another width or circumstance changes none of
    the others' inputs.
    """
    if not STUDY.factory:
        return {}
    return {"networks": lambda wildcards: [network_of(settings_of(wildcards))]}


NETWORKS_OPTION = " --networks {input.networks:q}" if STUDY.factory else ""
GATHERED_NETWORKS = {"networks": "<results>/networks.json"} if STUDY.factory else {}


def job_complexity(settings, input):
    """What training the network of these settings costs."""
    networks = {}
    for path in input.networks if STUDY.factory else ():
        networks |= read_json(path)
    return complexity_of(settings.network, Task.of(summary_of(input.summary)), networks)


def memory_of(settings, batch_size, input):
    """What a job that computes with this network asks for, in MB."""
    return requested_mb(
        memory_mb(job_complexity(settings, input), batch_size, summary_of(input.summary))
    )


def each_try(amount):
    """A resource of which a job asks for more with each retry."""
    return lambda wildcards, attempt: attempt * amount


def one_of(names):
    """A wildcard's constraint: only these names."""
    return "|".join(re.escape(str(name)) for name in names)


def reported(path, name, category, caption=None, **labels):
    """A result that stands in the report, under its name, in a category, with captions/{name}.rst beside it."""
    return report(
        path,
        caption=caption or f"captions/{name}.rst",
        category=category,
        labels={"result": name.replace("_", " "), **labels},
    )


EXTENSIONS = ["svg", "pdf", "png"]
# Figures with a panel for each of these circumstances: too many for one page get a page for each family.
PAGED = {
    "loss_curves": STUDY.judged,
    "loss_parts": STUDY.penalised,
    "feature_trends": STUDY.judged,
}


def pages(name):
    """The pages of a figure: the ends of their files' names -> the family that each shows, "" for all."""
    shown = STUDY.pages(PAGED.get(name, ()))
    return {f"_{page}" if page else "": STUDY.on_page(page).heading for page in shown}


def figure_files(name):
    """A figure's files: every page in every format, with its caption."""
    return expand(
        "<results>/figures/{name}{page}.{extension}",
        name=name,
        page=pages(name),
        extension=[*EXTENSIONS, "rst"],
    )


def figure(name, category):
    """A figure's files as outputs. Each page's SVG stands in the report, with the caption that is drawn beside it."""
    files = {}
    for page, family in pages(name).items():
        path = f"<results>/figures/{name}{page}"
        labels = {"family": family} if family else {}
        files |= {f"{extension}{page}": f"{path}.{extension}" for extension in EXTENSIONS}
        files[f"caption{page}"] = f"{path}.rst"
        caption = RESULTS.absolute() / f"figures/{name}{page}.rst"
        files[f"svg{page}"] = reported(f"{path}.svg", name, category, caption, **labels)
    return files


def drawing(name):
    """What sets a figure apart: the module that draws it, and a digest of the code behind it."""
    return {"name": name, "code": code("draw_figure", f"widthwise.figures.{name}")}
