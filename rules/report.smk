"""Makes what people look through beside the figures: tables for reading, and the explorer of loss curves.

Needs the tables; makes tables/verdicts.html, tables/runs.html and explorer.html. With the figures and the answer they
are what `snakemake --report` puts together.
"""


localrules:
    typeset_tables,
    explorer,


rule typeset_tables:
    """Typesets the tables of verdicts and runs for reading."""
    input:
        verdicts="<results>/tables/verdicts.csv",
        runs="<results>/tables/runs.csv",
    output:
        verdicts=reported(
            "<results>/tables/verdicts.html", "table_of_verdicts", "3 Features and verdicts"
        ),
        runs=reported("<results>/tables/runs.html", "table_of_runs", "5 Runs"),
    log:
        "<logs>/typeset_tables.log",
    benchmark:
        "<benchmarks>/typeset_tables.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("typeset_tables"),
    shell:
        "python scripts/typeset_tables.py --verdicts {input.verdicts} --runs {input.runs}"
        " --verdicts-page {output.verdicts} --runs-page {output.runs} > {log} 2>&1"


rule explorer:
    """Makes a page on which to look through every loss curve of the study."""
    input:
        losses="<results>/tables/losses.csv",
    output:
        page=reported("<results>/explorer.html", "explorer", "2 Loss curves"),
    log:
        "<logs>/explorer.log",
    benchmark:
        "<benchmarks>/explorer.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("explorer"),
    shell:
        "python scripts/explorer.py --losses {input.losses} --page {output.page} > {log} 2>&1"
