"""Gathers the runs' logs into two tables.

Needs losses.csv and run.json of every run; makes tables/losses.csv (every logged step) and tables/runs.csv (a
row a run, with its features): first for each circumstance, so that no job is given ten thousand paths, then for the
study. starts.csv, sums_of_squares.csv and coordinates.csv are put together from what was measured for each network.
"""


localrules:
    gather_circumstance,
    gather_study,
    gather_starts,
    gather_sums_of_squares,
    gather_coordinates,


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
        decay_step=STUDY.config["analysis"]["decay_step"],
        end_window=STUDY.config["analysis"]["end_window"],
        expected=lambda wildcards: [run.name for run in STUDY.runs(wildcards.circumstance)],
        code=code("gather_circumstance"),
    shell:
        "python scripts/gather_circumstance.py --losses {input.losses} --runs {input.runs}"
        " --expected {params.expected} --decay-step {params.decay_step}"
        " --end-window {params.end_window}"
        " --losses-table {output.losses} --runs-table {output.runs} > {log} 2>&1"


rule gather_study:
    """Puts the circumstances' tables of losses and runs together, in the study's order."""
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
        "python scripts/gather_study.py --losses {input.losses} --losses-table {output.losses}"
        " --runs {input.runs} --runs-table {output.runs} > {log} 2>&1"


# Circumstances that start with the same networks share them.
STARTS = list(
    dict.fromkeys(
        f"{start}/{size}" for name, start in STUDY.starts.items() for size in STUDY.sizes(name)
    )
)


rule gather_starts:
    """Puts the networks' starting losses together, for every circumstance that starts with them."""
    input:
        starts=expand("<results>/starts/{start}.csv", start=STARTS),
    output:
        starts="<results>/tables/starts.csv",
    log:
        "<logs>/gather_starts.log",
    benchmark:
        "<benchmarks>/gather_starts.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        names=canonical_json(STUDY.starts),
        l2=canonical_json(STUDY.reported_l2),
        code=code("gather_starts"),
    shell:
        "python scripts/gather_starts.py --starts {input.starts}"
        " --names {params.names:q} --l2 {params.l2:q} --starts-table {output.starts} > {log} 2>&1"


rule gather_sums_of_squares:
    """Puts together what each layer's kernel starts with, and what its initialisation predicts."""
    input:
        sums_of_squares=expand("<results>/sums_of_squares/{start}.csv", start=STARTS),
    output:
        sums_of_squares="<results>/tables/sums_of_squares.csv",
    log:
        "<logs>/gather_sums_of_squares.log",
    benchmark:
        "<benchmarks>/gather_sums_of_squares.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("gather_study"),
    shell:
        "python scripts/gather_study.py --sums-of-squares {input.sums_of_squares}"
        " --sums-of-squares-table {output.sums_of_squares} > {log} 2>&1"


rule gather_coordinates:
    """Puts the networks' first steps together."""
    input:
        coordinates=[
            f"<results>/coordinates/{name}/{size}.csv"
            for name in STUDY.coordinate_checks
            for size in STUDY.sizes(name)
        ],
    output:
        coordinates="<results>/tables/coordinates.csv",
    log:
        "<logs>/gather_coordinates.log",
    benchmark:
        "<benchmarks>/gather_coordinates.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("gather_study"),
    shell:
        "python scripts/gather_study.py --coordinates {input.coordinates}"
        " --coordinates-table {output.coordinates} > {log} 2>&1"
