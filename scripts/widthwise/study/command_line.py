"""The command line of every program that reads a study's configuration, layered as Snakemake layers it.

Snakemake itself hands the workflow its configuration; this is for programs that it does not start. They run where
snakemake would, in the checkout. It must not know what a program does with the study.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from widthwise.study.plan import Study, StudyError


def study_parser(description: str) -> argparse.ArgumentParser:
    """A command line with the configuration files on it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="YAML files layered on the default study, as snakemake's own --configfile (default: none)",
    )
    return parser


def read_study(configfiles: list[Path]) -> Study:
    """The study that snakemake would run with these files. Ends the program with a line for each error in them."""
    try:
        defaults = re.findall(r'^configfile: "(.+)"$', Path("Snakefile").read_text(encoding="utf-8"), re.MULTILINE)
        config: dict = {}
        for file in [*defaults, *configfiles]:
            update_config(config, load_configfile(file))
        return Study(config, yaml.safe_load(Path("config/schema.yaml").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: not here; run this where snakemake runs, in the checkout")
    except (WorkflowError, StudyError) as error:
        sys.exit(f"The configuration has errors:\n{error}")
