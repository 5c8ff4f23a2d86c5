"""Judges the study by its tables, and answers the question from them.

Needs the study's tables; makes tables/verdicts.csv, features.csv, contrasts.csv, crossovers.csv, slopes_by_step.csv
and time_lapse.csv, the best learning rates where the study has a grid of them, literature.csv, answer.md and
answer.html, and a comparison with the published studies.
"""


localrules:
    judge_study,
    fit_learning_rates,
    compare_with_literature,
    write_answer,
    compare_with_reference,


RATES = (
    expand("<results>/tables/learning_rate_{table}.csv", table=["slopes", "verdicts"])
    if STUDY.grids
    else []
)

PUBLISHED = sorted(map(str, Path("results/reference").glob("*/SHA256SUMS")))


rule judge_study:
    """Gives a verdict on every feature in every circumstance, and compares circumstances and sizes."""
    input:
        losses="<results>/tables/losses.csv",
        runs="<results>/tables/runs.csv",
        starts="<results>/tables/starts.csv",
    output:
        verdicts="<results>/tables/verdicts.csv",
        features="<results>/tables/features.csv",
        contrasts="<results>/tables/contrasts.csv",
        crossovers="<results>/tables/crossovers.csv",
        slopes_by_step="<results>/tables/slopes_by_step.csv",
        time_lapse="<results>/tables/time_lapse.csv",
    log:
        "<logs>/judge_study.log",
    benchmark:
        "<benchmarks>/judge_study.tsv"
    conda:
        "../envs/verdicts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        expectations=canonical_json(STUDY.expectations),
        references=canonical_json(STUDY.references),
        code=code("judge_study"),
    shell:
        "python scripts/judge_study.py --losses {input.losses} --runs {input.runs} --starts {input.starts}"
        " --expectations {params.expectations:q} --references {params.references:q}"
        " --verdicts {output.verdicts} --features {output.features}"
        " --contrasts {output.contrasts} --crossovers {output.crossovers}"
        " --slopes-by-step {output.slopes_by_step} --time-lapse {output.time_lapse} > {log} 2>&1"


rule fit_learning_rates:
    """Finds the best learning rate of every width and seed, and how it moves with width."""
    input:
        runs="<results>/tables/runs.csv",
    output:
        optima="<results>/tables/learning_rates.csv",
        slopes="<results>/tables/learning_rate_slopes.csv",
        verdicts="<results>/tables/learning_rate_verdicts.csv",
    log:
        "<logs>/fit_learning_rates.log",
    benchmark:
        "<benchmarks>/fit_learning_rates.tsv"
    conda:
        "../envs/verdicts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        grids=canonical_json(STUDY.grids),
        expectations=canonical_json(STUDY.expected_rates),
        base_width=STUDY.config["network"]["base_width"],
        code=code("fit_learning_rates"),
    shell:
        "python scripts/fit_learning_rates.py --runs {input.runs} --grids {params.grids:q}"
        " --expectations {params.expectations:q} --base-width {params.base_width}"
        " --optima {output.optima} --slopes {output.slopes} --verdicts {output.verdicts} > {log} 2>&1"


rule compare_with_literature:
    """Sets the study's numbers beside what others have published or derived."""
    input:
        verdicts="<results>/tables/verdicts.csv",
        contrasts="<results>/tables/contrasts.csv",
        losses="<results>/tables/losses.csv",
        sums_of_squares="<results>/tables/sums_of_squares.csv",
        rates=RATES,
        coordinates=["<results>/tables/coordinates.csv"] if STUDY.coordinate_checks else [],
    output:
        table="<results>/tables/literature.csv",
    log:
        "<logs>/compare_with_literature.log",
    benchmark:
        "<benchmarks>/compare_with_literature.tsv"
    conda:
        "../envs/verdicts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        l2=canonical_json(STUDY.reported_l2),
        rates=lambda wildcards, input: (
            "--rate-slopes {} --rate-verdicts {}".format(*input.rates) if input.rates else ""
        ),
        coordinates=lambda wildcards, input: (
            f"--coordinates {input.coordinates}" if input.coordinates else ""
        ),
        code=code("compare_with_literature"),
    shell:
        "python scripts/compare_with_literature.py --verdicts {input.verdicts} --contrasts {input.contrasts}"
        " --losses {input.losses} --sums-of-squares {input.sums_of_squares} --l2 {params.l2:q}"
        " {params.rates} {params.coordinates} --literature {output.table} > {log} 2>&1"


rule write_answer:
    """Writes the question's answer from the tables alone."""
    input:
        verdicts="<results>/tables/verdicts.csv",
        contrasts="<results>/tables/contrasts.csv",
        crossovers="<results>/tables/crossovers.csv",
        runs="<results>/tables/runs.csv",
        slopes_by_step="<results>/tables/slopes_by_step.csv",
        time_lapse="<results>/tables/time_lapse.csv",
        features="<results>/tables/features.csv",
        dataset="<results>/dataset.json",
        literature="<results>/tables/literature.csv",
        rates=RATES,
    output:
        markdown="<results>/answer.md",
        html=reported("<results>/answer.html", "answer", "1 Answer"),
    log:
        "<logs>/write_answer.log",
    benchmark:
        "<benchmarks>/write_answer.tsv"
    conda:
        "../envs/verdicts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        catalogue=canonical_json(STUDY.told),
        departures=canonical_json(STUDY.departures),
        code=code("write_answer"),
    shell:
        "python scripts/write_answer.py --verdicts {input.verdicts} --contrasts {input.contrasts}"
        " --crossovers {input.crossovers} --runs {input.runs} --time-lapse {input.time_lapse}"
        " --slopes-by-step {input.slopes_by_step} --features {input.features} --dataset {input.dataset}"
        " --learning-rates {input.rates} --literature {input.literature}"
        " --catalogue {params.catalogue:q} --departures {params.departures:q}"
        " --markdown {output.markdown} --html {output.html} > {log} 2>&1"


rule compare_with_reference:
    """Sets the study's verdicts beside those of the published studies, which no rule makes."""
    input:
        verdicts="<results>/tables/verdicts.csv",
        published=PUBLISHED,
    output:
        table="<results>/tables/comparison.csv",
    log:
        "<logs>/compare_with_reference.log",
    benchmark:
        "<benchmarks>/compare_with_reference.tsv"
    conda:
        "../envs/verdicts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        settings=canonical_json(STUDY.config),
        code=code("compare_with_reference"),
    shell:
        "python scripts/compare_with_reference.py --verdicts {input.verdicts} --settings {params.settings:q}"
        " --reference results/reference --comparison {output.table} 2>&1 | tee {log}"
