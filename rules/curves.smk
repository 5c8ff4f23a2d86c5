"""Gathers loss curves that exist already. Nothing is trained: it takes the place of the datasets, runs and their tables.

Needs the CSV file of `curves` in the configuration; makes tables/losses.csv and runs.csv.
"""


# The CSV file is no input. Moving or touching it changes nothing. study.json holds its content's digest.
rule gather_curves:
    """Puts the curves on common steps, and measures the features of each."""
    input:
        study="<results>/study.json",
    output:
        losses="<results>/tables/losses.csv",
        runs="<results>/tables/runs.csv",
    log:
        "<logs>/gather_curves.log",
    benchmark:
        "<benchmarks>/gather_curves.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        tables=subpath(output.runs, parent=True),
        code=code("gather_curves"),
    shell:
        "python scripts/gather_curves.py"
        " --study {input.study:q}"
        " --tables {params.tables:q}"
        " > {log:q} 2>&1"
