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


rule all:
    """Makes the tables, the figures, the answer and the explorer of the study."""
    default_target: True
    input:
        "<results>/tables/losses.csv",
        "<results>/tables/runs.csv",
        "<results>/tables/verdicts.csv",
        "<results>/answer.md",
        "<results>/answer.html",
        "<results>/explorer.html",
        expand("<results>/tables/{table}.html", table=["verdicts", "runs"]),
        expand("<results>/figures/{figure}.{extension}", figure=FIGURES, extension=EXTENSIONS),
    localrule: True
