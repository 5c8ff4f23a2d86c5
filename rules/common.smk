"""What every rule shares: the checked study, where the scripts are, and what a wildcard may be.

Reads the configuration and its schema; stops with every error in it before anything is planned. Must not name
a hyper-parameter.
"""

import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

from widthwise.source_digest import source_digest
from widthwise.study import Study, StudyError, canonical_json, size_value

try:
    STUDY = Study(config, yaml.safe_load((SCRIPTS.parent / "config/schema.yaml").read_text()))
except StudyError as error:
    raise WorkflowError(f"The configuration has errors:\n{error}")


def code(script):
    """A digest of a script's code and of what it imports, as a parameter: other code, another result."""
    return source_digest(SCRIPTS / f"{script}.py")


def one_of(names):
    """A wildcard's constraint: only these."""
    return "|".join(map(str, names))


wildcard_constraints:
    circumstance=one_of(STUDY.circumstances),
    size=one_of(STUDY.sizes),
    seed=one_of(STUDY.seeds),
