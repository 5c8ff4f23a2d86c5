"""Judges loss curves that exist already. Nothing is trained: it takes the place of the datasets, runs and their tables.

Needs the CSV file of `curves` in the configuration; makes study.json and tables/*.csv, of which there are fewer.
"""


localrules:
    describe_study,
    gather_curves,
    judge_study,


rule describe_study:
    """Writes the checked configuration and what was found in the file, for the programs that analyse it."""
    output:
        study="<results>/study.json",
    log:
        "<logs>/describe_study.log",
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=100,
        runtime="1m",
    params:
        # A function: braces in the text of a plain parameter would be taken for wildcards.
        record=lambda wildcards: STUDY.record,
    shell:
        "printf '%s\\n' {params.record:q} > {output.study:q} 2> {log:q}"


# The CSV file is no input: neither its time nor its place makes it another. study.json holds its content's digest.
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


# No first steps are known of these runs.
COORDINATES = []
NESTING = []
JUDGED = ["verdicts", "features", "contrasts", "crossings", "slopes_by_step", "literature"]


rule judge_study:
    """Gives a verdict on every feature in every circumstance, and compares circumstances and sizes."""
    input:
        study="<results>/study.json",
        losses="<results>/tables/losses.csv",
        runs="<results>/tables/runs.csv",
    output:
        **{name: f"<results>/tables/{name}.csv" for name in JUDGED},
    log:
        "<logs>/judge_study.log",
    benchmark:
        "<benchmarks>/judge_study.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        tables=subpath(output.verdicts, parent=True),
        code=code("judge_study"),
    shell:
        "python scripts/judge_study.py"
        " --study {input.study:q}"
        " --tables {params.tables:q}"
        " > {log:q} 2>&1"
