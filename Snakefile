"""Widthwise: does a wider network have a higher training loss, and when?

config -> dataset -> runs -> tables -> verdicts, answer and figures, a file of rules for each stage.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/circumstances.yaml"
configfile: "config/config.yaml"


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
include: "rules/benchmark.smk"


rule all:
    """Makes the tables, the figures and the answer of the study.

    Logs and circumstances' tables are named too: one that was lost is made again even where what follows from it stands.
    """
    default_target: True
    input:
        [f"<results>/runs/{run.name}/losses.csv" for run in STUDY.runs()],
        expand("<results>/tables/{circumstance}/runs.csv", circumstance=STUDY.circumstances),
        "<results>/tables/losses.csv",
        "<results>/tables/runs.csv",
        "<results>/tables/verdicts.csv",
        "<results>/answer.md",
        "<results>/answer.html",
        expand("<results>/figures/{figure}.{extension}", figure=FIGURES, extension=EXTENSIONS),
    localrule: True


rule benchmark:
    """Times every size's training step against the textbook's and against the machine's limit."""
    input:
        "<results>/tables/speed.csv",
        "<results>/figures/cost.svg",
    localrule: True
