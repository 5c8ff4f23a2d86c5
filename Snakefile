"""Widthwise: does a wider network have a higher training loss, and when?

config -> datasets -> runs -> tables -> verdicts, answer and figures; one file of rules for each stage. With loss
curves that exist already it begins with their tables.
"""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

if not Path("config/schema.yaml").exists():
    raise WorkflowError(f"{Path.cwd()} is not the checkout; call snakemake in {workflow.basedir}")


configfile: "config/circumstances.yaml"
configfile: "config/config.yaml"


report: "rules/captions/workflow.rst"


pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


include: "rules/common.smk"


wildcard_constraints:
    circumstance=one_of(STUDY.circumstances),
    size=one_of(STUDY.all_sizes),
    seed=one_of(STUDY.seeds),
    draw=one_of(STUDY.draws),


onstart:
    claim_results()
    renew_study_file()


onerror:
    tell_reasons()


if STUDY.curves:

    include: "rules/curves.smk"

else:

    include: "rules/dataset.smk"
    include: "rules/train.smk"
    include: "rules/tables.smk"
    include: "rules/benchmark.smk"


include: "rules/judge.smk"
include: "rules/report.smk"
include: "rules/figures.smk"


rule all:
    """Makes the whole study. Losses are named too: one that was lost is made again, though its tables stand.

    So is the summary of own data: where its import failed, it is tried again, though older results stand.
    """
    default_target: True
    input:
        GATHERED_NETWORKS.values(),
        ["<results>/dataset/own.json"] if STUDY.own_file else [],
        [f"<results>/runs/{run.name}/losses.csv" for run in STUDY.runs()],
        expand(
            "<results>/tables/{name}/runs.csv",
            name={run.circumstance: None for run in STUDY.runs()},
        ),
        expand("<results>/tables/{name}.csv", name=["losses", "runs", "verdicts", "literature"]),
        expand("<results>/tables/{name}.html", name=["verdicts", "runs"]),
        multiext("<results>/answer", ".md", ".html"),
        "<results>/evidence.md",
        "<results>/explorer.html",
        [figure_files(name) for name in FIGURES],
    localrule: True


if not STUDY.curves:

    rule benchmark:
        """Times every size's training step against the textbook's and against the machine's limit."""
        input:
            figure_files("speed"),
        localrule: True
