"""Judges a study by its tables, whether its runs were trained here or its loss curves existed already.

Needs the tables that tables.smk or curves.smk makes. Makes study.json (the checked configuration, which every analysis
reads) and the tables of verdicts, contrasts, crossings, penalties and learning rates.
"""


rule describe_study:
    """Writes the checked configuration, with every default, for the programs that analyse it."""
    output:
        study="<results>/study.json",
    log:
        "<logs>/describe_study.log",
    localrule: True
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


# Tables that not every study has.
COORDINATES = ["coordinates", "coordinate_powers"] if STUDY.coordinate_checks else []
NESTING = ["nesting"] if STUDY.nested else []
PENALTIES = ["penalties", "penalty_ratios"] if STUDY.penalised else []
RATES = (
    [
        "learning_rates",
        "learning_rate_slopes",
        "learning_rate_choices",
        "learning_rate_verdicts",
        "learning_rate_budgets",
    ]
    if STUDY.grids
    else []
)
GATHERED = ["losses", "runs", *([] if STUDY.curves else ["printed", "starts"]), *COORDINATES]
JUDGED = [
    "verdicts",
    "features",
    "contrasts",
    "crossings",
    "slopes_by_step",
    "literature",
    *PENALTIES,
    *RATES,
]


rule judge_study:
    """Gives a verdict on every feature in every circumstance, and compares circumstances and sizes."""
    input:
        study="<results>/study.json",
        tables=expand("<results>/tables/{name}.csv", name=GATHERED),
    output:
        **{name: f"<results>/tables/{name}.csv" for name in JUDGED},
    log:
        "<logs>/judge_study.log",
    benchmark:
        "<benchmarks>/judge_study.tsv"
    localrule: True
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
