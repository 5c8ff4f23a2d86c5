"""Widthwise: does a wider network have a higher training loss, and when?

config -> datasets -> runs -> tables -> verdicts, answer and figures; one file of rules for each stage. With loss
curves that exist already it begins with their tables.
"""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if CHECKOUT.resolve() != Path.cwd():
    raise WorkflowError(
        f"{Path.cwd()} is not the checkout; call snakemake in {CHECKOUT} (as a module of another workflow it cannot run)"
    )


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
    """Makes the whole study. Every result is named: one that was lost is made again, even if what follows exists.

    A failed import of your own data is tried again, even if older results exist. Generated datasets are not named: they
    are made where something needs them.
    """
    default_target: True
    input:
        ["<results>/dataset/own.json"] if STUDY.own_file else [],
        GATHERED_NETWORKS.values(),
        expand(
            "<results>/runs/{name}/{file}",
            name=[run.name for run in STUDY.runs()],
            file=["losses.csv", "run.json", "weights.pt"],
        ),
        # Starting losses, coordinate checks, embedded networks, and the tables of each circumstance.
        []
        if STUDY.curves
        else [rules.gather_study.input, rules.gather_coordinates.input, rules.gather_nesting.input],
        rules.describe_study.output,
        expand("<results>/tables/{name}.csv", name=[*GATHERED, *NESTING]),
        rules.predict_masks.output if "segmentation" in FIGURES else [],
        rules.judge_study.output,
        rules.write_answer.output,
        rules.write_pages.output,
        [figure_files(name) for name in FIGURES],


if not STUDY.curves:

    rule benchmark:
        """Times every size's training step against the textbook's and against the machine's limit."""
        input:
            figure_files("speed"),
