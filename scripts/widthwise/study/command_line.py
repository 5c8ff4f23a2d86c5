"""Reads a study from configuration files and from --config, layered as Snakemake layers them.

For programs that people call by hand. They run where snakemake runs, in the checkout.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from widthwise.study.curves import study_of
from widthwise.study.plan import SCHEMA, Study, StudyError

SNAKEFILE = Path("Snakefile")


def configured_study(configfiles: Sequence[Path], assignments: Sequence[str] = ()) -> Study:
    """Returns the study that snakemake would run with these files and these assignments, `key=value` as for --config.

    Exits with a line for each error in them.
    """
    if not SNAKEFILE.exists():
        sys.exit(f"{SNAKEFILE}: not found in {Path.cwd()}; run this in the checkout, where snakemake runs")
    defaults = re.findall(r'^configfile: "(.+)"$', SNAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    config: dict = {}
    for file in [*defaults, *configfiles]:
        update_config(config, layer_of(str(file), load_configfile, file))
    if assignments:
        from snakemake.cli import parse_config  # takes a second

        update_config(config, layer_of("--config", parse_config, assignments))
    try:
        study = study_of(config, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    except StudyError as error:
        sys.exit(f"The configuration has errors:\n{error}")
    if not isinstance(study, Study):
        sys.exit("curves: nothing is trained, so there is nothing to tell; call snakemake, or leave the key out")
    return study


def layer_of(name: str, read: Callable[[Any], dict], source: Any) -> dict:
    """What one configuration file, or --config, says. Exits with a line that names it where it cannot be read."""
    try:
        return read(source)
    except OSError as error:
        sys.exit(f"{name}: {error.strerror} (paths are relative to {Path.cwd()})")
    except (WorkflowError, ValueError) as error:
        sys.exit(f"{name}: {' '.join(str(error).split())}")


def results_folder(study: Study) -> Path:
    """The folder of the study's results."""
    return Path(study.config["pathvars"]["results"])
