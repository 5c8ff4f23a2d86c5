"""Writes what people read beside the figures: the answer, the tables as pages, and the explorer of loss curves.

Needs the tables; makes answer.md, evidence.md and both as HTML, tables/verdicts.html, tables/runs.html and
explorer.html. With the figures, `snakemake --report` puts them together.
"""


rule write_answer:
    """Answers the question from the tables alone."""
    input:
        **SUMMARY,
        **GATHERED_NETWORKS,
        study="<results>/study.json",
        runs="<results>/tables/runs.csv",
        tables=expand("<results>/tables/{name}.csv", name=[*JUDGED, *COORDINATES, *NESTING]),
    output:
        markdown="<results>/answer.md",
        evidence="<results>/evidence.md",
        html=reported("<results>/answer.html", "answer", "1 Answer"),
        evidence_html=reported("<results>/evidence.html", "evidence", "1 Answer"),
    log:
        "<logs>/write_answer.log",
    benchmark:
        "<benchmarks>/write_answer.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        tables=subpath(input.runs, parent=True),
        dataset=lambda wildcards, input: [f"--dataset={input[name]}" for name in SUMMARY],
        code=code("write_answer"),
    shell:
        "python scripts/write_answer.py"
        " --study {input.study:q}"
        " --tables {params.tables:q}"
        " {params.dataset:q}"
        f"{NETWORKS_OPTION}"
        " --markdown {output.markdown:q}"
        " --evidence {output.evidence:q}"
        " > {log:q} 2>&1"


rule write_pages:
    """Typesets the tables of verdicts and runs, and makes the page on which to look through every loss curve."""
    input:
        **PRINTED,
        study="<results>/study.json",
        verdicts="<results>/tables/verdicts.csv",
        runs="<results>/tables/runs.csv",
        losses="<results>/tables/losses.csv",
    output:
        verdicts=reported(
            "<results>/tables/verdicts.html", "table_of_verdicts", "3 Features and verdicts"
        ),
        runs=reported("<results>/tables/runs.html", "table_of_runs", "5 Runs"),
        explorer=reported("<results>/explorer.html", "explorer", "2 Loss curves"),
    log:
        "<logs>/write_pages.log",
    benchmark:
        "<benchmarks>/write_pages.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        tables=subpath(output.runs, parent=True),
        code=code("write_pages"),
    shell:
        "python scripts/write_pages.py"
        " --study {input.study:q}"
        " --tables {params.tables:q}"
        " --explorer {output.explorer:q}"
        " > {log:q} 2>&1"
