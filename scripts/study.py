"""What people call by hand: settings, status, estimate, compare, publish and describe-config.

Run it in the checkout, where snakemake runs. `python scripts/study.py COMMAND --help` describes a command.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], None]

STATUS = """\
Shows how far every run is, from files, and from SLURM's queue where there is one: while a study runs, and from any
machine that sees its files. Runs at work or in trouble have a row each; the others are counted.

  waiting    not started
  running    its log has a line from the last 2 minutes; there is one about every 10 s
  stopped    its log has none: killed, interrupted or cut off; it continues from its checkpoint when snakemake runs
  failed     ended with an error, shown below the table
  done       finished
  diverged   finished early, since its loss was not finite any more: a result as well
  outdated   finished with other settings than the configuration has now

"objective" is the last one logged, in nats; "left" is the time left at the mean pace; "silent" is the time since the
log's last line. `snakemake --dry-run` says what snakemake would do next.
"""
ESTIMATE = """\
Says what a study will cost: seconds per run, core-hours, memory, disk, and hours on so many cores. It takes the speed
that `snakemake benchmark --cores 1`, followed by the same --configfile, measured on this machine, or else the reference
machine's.
"""
COMPARE = """\
Compares verdicts. Without a folder: the configured study with each published one, and the settings in which they
differ. With one results folder: that study with each published one. With more: those studies side by side, in Markdown.
Two verdicts agree where they are the same or the intervals of their change overlap.
"""
PUBLISH = """\
Copies a finished study to results/reference/NAME: tables, figures, answer, configuration, versions and checksums. What
is there is replaced. A name with a folder (sensitivity/harder) is for studies that others are not compared with.
"""


def main() -> None:
    arguments = parse_arguments()
    if not Path("Snakefile").exists():
        sys.exit(f"Snakefile: not found in {Path.cwd()}; run this in the checkout, where snakemake runs")
    arguments.command(arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Command, summary: str, text: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=summary, description=text or summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(command=function)
        return command

    settings = add("settings", print_settings, "print the settings of a dataset or a run, as JSON")
    settings.add_argument("what", metavar="WHAT", help="dataset/seed0, or a run as in baseline/width8/seed1")
    status = add("status", show_status, "show how far every run is", STATUS)
    status.add_argument("--all", action="store_true", help="show a row for every run")
    status.add_argument(
        "--watch", type=above_zero(float), metavar="SECONDS", help="refresh at this interval, until Ctrl-C"
    )
    estimate = add("estimate", print_estimate, "say what the study will cost", ESTIMATE)
    estimate.add_argument(
        "--cores", type=above_zero(int), default=os.cpu_count(), metavar="N", help="default: all of this machine"
    )
    compare = add("compare", print_comparison, "compare verdicts with those of other studies", COMPARE)
    compare.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="results folder of a study")
    publish = add("publish", publish_study, "copy a finished study to the published ones", PUBLISH)
    publish.add_argument("name", metavar="NAME", help="of the folder in results/reference")
    publish.add_argument("--tables-only", action="store_true", help="leave out the figures")
    add("describe-config", print_description, "print config/keys.md, which describes every key")
    for command in (settings, status, estimate, compare, publish):
        command.add_argument(
            "--configfile",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="YAML files layered on the default study, as with snakemake's --configfile",
        )
        command.add_argument(
            "--config",
            nargs="+",
            default=[],
            metavar="KEY=VALUE",
            help="values that replace those of the files, as with snakemake's --config",
        )
    return parser.parse_args()


def above_zero(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Reads a number of a kind that is above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} given; write a number above 0")
        return value

    return number


def print_settings(arguments: argparse.Namespace) -> None:
    from widthwise.study.command_line import configured_study
    from widthwise.study.description import describe_settings

    study = configured_study(arguments.configfile, arguments.config)
    try:
        print(describe_settings(study, arguments.what))
    except ValueError as error:
        sys.exit(str(error))


def show_status(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from widthwise.report.status import overview
    from widthwise.study.command_line import configured_study, results_folder

    study = configured_study(arguments.configfile, arguments.config)
    results = results_folder(study)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    with contextlib.suppress(KeyboardInterrupt):
        console.print(overview(study, results, every_run=arguments.all))
        while arguments.watch:
            time.sleep(arguments.watch)
            table = overview(study, results, every_run=arguments.all)
            console.clear()
            console.print(table)


def print_estimate(arguments: argparse.Namespace) -> None:
    from widthwise.report.status import estimate
    from widthwise.study.command_line import configured_study, results_folder

    study = configured_study(arguments.configfile, arguments.config)
    try:
        print(*estimate(study, results_folder(study), arguments.cores), sep="\n")
    except FileNotFoundError as error:
        sys.exit(str(error))


def print_comparison(arguments: argparse.Namespace) -> None:
    from widthwise.report.comparison import ComparisonError, compare_with_published, side_by_side
    from widthwise.report.publication import REFERENCE
    from widthwise.study.command_line import configured_study, results_folder

    folders = arguments.folders or [results_folder(configured_study(arguments.configfile, arguments.config))]
    try:
        if len(folders) > 1:
            print(side_by_side(folders))
        else:
            print(*compare_with_published(folders[0], REFERENCE), sep="\n")
    except ComparisonError as error:
        sys.exit(str(error))


def publish_study(arguments: argparse.Namespace) -> None:
    from widthwise.report.publication import PublicationError, publish
    from widthwise.study.command_line import configured_study, results_folder

    study = configured_study(arguments.configfile, arguments.config)
    try:
        print(publish(study, results_folder(study), arguments.name, tables_only=arguments.tables_only))
    except PublicationError as error:
        sys.exit(str(error))


def print_description(arguments: argparse.Namespace) -> None:
    import yaml

    from widthwise.study.description import describe_configuration

    schema, defaults = (
        yaml.safe_load(Path("config", name).read_text(encoding="utf-8")) for name in ("schema.yaml", "config.yaml")
    )
    print(describe_configuration(schema, defaults), end="")


if __name__ == "__main__":
    main()
