"""Gathers the runs' logs into two tables.

Needs losses.csv and run.json of every run; makes tables/losses.csv (every logged step) and tables/runs.csv (a
row a run): first for each circumstance, so that no job is given ten thousand paths, then for the study.
"""


rule gather_circumstance:
    """Checks that one circumstance's runs are all there, once each, and gathers them."""
    input:
        losses=lambda wildcards: [
            f"<results>/runs/{run.name}/losses.csv" for run in STUDY.runs(wildcards.circumstance)
        ],
        runs=lambda wildcards: [
            f"<results>/runs/{run.name}/run.json" for run in STUDY.runs(wildcards.circumstance)
        ],
    output:
        losses="<results>/tables/{circumstance}/losses.csv",
        runs="<results>/tables/{circumstance}/runs.csv",
    log:
        "<logs>/gather_circumstance/{circumstance}.log",
    benchmark:
        "<benchmarks>/gather_circumstance/{circumstance}.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        expected=lambda wildcards: [run.name for run in STUDY.runs(wildcards.circumstance)],
        code=code("gather_circumstance"),
    shell:
        "python scripts/gather_circumstance.py --losses {input.losses} --runs {input.runs}"
        " --expected {params.expected}"
        " --losses-table {output.losses} --runs-table {output.runs} > {log} 2>&1"


rule gather_study:
    """Puts the circumstances' tables together, in the study's order."""
    input:
        losses=expand(
            "<results>/tables/{circumstance}/losses.csv", circumstance=STUDY.circumstances
        ),
        runs=expand("<results>/tables/{circumstance}/runs.csv", circumstance=STUDY.circumstances),
    output:
        losses="<results>/tables/losses.csv",
        runs="<results>/tables/runs.csv",
    log:
        "<logs>/gather_study.log",
    benchmark:
        "<benchmarks>/gather_study.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("gather_study"),
    shell:
        "python scripts/gather_study.py --losses {input.losses} --runs {input.runs}"
        " --losses-table {output.losses} --runs-table {output.runs} > {log} 2>&1"
