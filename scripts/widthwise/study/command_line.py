"""Reads a study from configuration files and from --config, layered as Snakemake layers them.

For programs that people call by hand. They run where snakemake runs, in the checkout.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from widthwise.study.plan import SCHEMA, Study, StudyError

SNAKEFILE = Path("Snakefile")


def read_study(configfiles: Sequence[Path], assignments: Sequence[str] = ()) -> Study:
    """Returns the study that snakemake would run with these files and these assignments, `key=value` as for --config.

    Exits with a line for each error in them.
    """
    if not SNAKEFILE.exists():
        sys.exit(f"{SNAKEFILE}: not found in {Path.cwd()}; run this in the checkout, where snakemake runs")
    defaults = re.findall(r'^configfile: "(.+)"$', SNAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    config: dict = {}
    try:
        for file in [*defaults, *configfiles]:
            update_config(config, load_layer(file))
        if assignments:
            from snakemake.cli import parse_config  # takes a second

            update_config(config, parse_config(assignments))
        if config.get("curves") is not None:
            sys.exit("curves: nothing is trained, so there is nothing to tell; call snakemake, or leave the key out")
        return Study(config, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: not found in {Path.cwd()}")
    except (WorkflowError, StudyError) as error:
        sys.exit(f"The configuration has errors:\n{error}")
    except ValueError as error:  # of parse_config
        sys.exit(f"--config: {' '.join(str(error).split())}")


def load_layer(file: Path | str) -> dict:
    """The content of one configuration file. Raises WorkflowError that names it where it cannot be parsed."""
    try:
        return load_configfile(file)
    except WorkflowError as error:
        raise WorkflowError(f"{file}: {' '.join(str(error).split())}") from error


def results_folder(study: Study) -> Path:
    """The folder of the study's results."""
    return Path(study.config["pathvars"]["results"])
