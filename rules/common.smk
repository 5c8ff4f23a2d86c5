"""What all stages share - the checked study, and digests of the code behind each script.

Reads the configuration and its schema; stops with every error in it before anything is planned. Must not name
a hyper-parameter.
"""

import json
import os
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

sys.path.insert(0, "scripts")
# Jobs run in the environment that runs snakemake, activated or not; --sdm conda puts its own before it.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from widthwise.study.code_digest import source_digest
from widthwise.data.source import source_of
from widthwise.study.plan import Study, StudyError, canonical_json, memory_mb, minutes, size_value

try:
    STUDY = Study(config, yaml.safe_load(Path("config/schema.yaml").read_text()))
except StudyError as error:
    raise WorkflowError(f"The configuration has errors:\n{error}")

RESULTS = Path(STUDY.config["pathvars"]["results"])
EXISTING = next(path for path in (RESULTS, *RESULTS.parents) if path.exists())
if not (EXISTING.is_dir() and os.access(EXISTING, os.W_OK)):
    raise WorkflowError(
        f"{RESULTS}: cannot be written, since {EXISTING} is no folder or not writable"
    )


SUMMARY = RESULTS / "dataset.json"
SOURCE = {}
if STUDY.own_file:
    last = json.loads(SUMMARY.read_text()) if SUMMARY.exists() else {}
    if Path(STUDY.own_file).resolve() == SUMMARY.with_suffix(".h5").resolve():
        raise WorkflowError(
            f"dataset.path: given {STUDY.own_file}, which the study itself writes; allowed: a file elsewhere"
        )
    try:
        SOURCE = source_of(Path(STUDY.own_file), last.get("source", {}))
    except OSError as error:
        raise WorkflowError(
            f"dataset.path: given {STUDY.own_file}, allowed: a file that can be read: {error.strerror}"
            f" (paths are relative to {Path.cwd()})"
        )
    # What the file holds is known once it has been read; the first time, import_dataset checks this.
    if SOURCE["sha256"] == last.get("source", {}).get("sha256") and (
        errors := STUDY.unmet_by(last)
    ):
        raise WorkflowError("The configuration has errors:", *errors)


def extent(summary):
    """How much data there is, for what a job is to ask for; of a user's own, once they have been read."""
    return STUDY.extent or json.loads(Path(summary).read_text())


def code(script):
    """A digest of a script's code and of what it imports, as a parameter: other code, another result."""
    return source_digest(Path("scripts", f"{script}.py"))


def one_of(names):
    """A wildcard's constraint: only these."""
    return "|".join(re.escape(str(name)) for name in names)


def if_there(option, name):
    """An option with one of the results, only if that is there already."""
    return f"{option} {RESULTS / name}" if (RESULTS / name).exists() else ""


def reported(path, name, category):
    """A result that stands in the report: under its name, in a category, with captions/{name}.rst beside it."""
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
