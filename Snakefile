"""Widthwise: does a wider network have a higher training loss, and when?

config -> dataset -> runs -> tables -> verdicts, answer and figures, a file of rules for each stage.
"""

from snakemake.utils import min_version

min_version("9.27")


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


include: "rules/dataset.smk"
include: "rules/train.smk"
include: "rules/tables.smk"
include: "rules/verdicts.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/benchmark.smk"


rule all:
    """Makes the whole study; logs too are named, so that one that was lost is made again though its consumers stand."""
    default_target: True
    input:
        [f"<results>/runs/{run.name}/losses.csv" for run in STUDY.runs()],
        expand("<results>/tables/{name}/runs.csv", name=STUDY.circumstances),
        expand("<results>/tables/{name}.csv", name=["losses", "runs", "verdicts", "literature"]),
        expand("<results>/tables/{name}.html", name=["verdicts", "runs"]),
        multiext("<results>/answer", ".md", ".html"),
        "<results>/explorer.html",
        expand("<results>/figures/{name}.{extension}", name=FIGURES, extension=EXTENSIONS),
    localrule: True


rule benchmark:
    """Times every size's training step against the textbook's and against the machine's limit."""
    input:
        expand("<results>/figures/cost.{extension}", extension=EXTENSIONS),
    localrule: True
