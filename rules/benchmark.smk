"""Measures how fast this machine trains the study's sizes, and says what the study will cost.

`benchmark` needs the dataset alone, not the study; makes tables/speed.csv, speed.json, run_seconds.csv and the
figure `cost`, which shows the study's own runs too where they are finished: that would be no input, or asking for a
benchmark would train the study. `estimate` makes nothing: it says.
"""


localrules:
    measure_speed,
    cost,
    estimate,


rule measure_speed:
    """Times the training step of the first circumstance's sizes, with the machine to itself."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        table="<results>/tables/speed.csv",
        speed="<results>/tables/speed.json",
        seconds="<results>/tables/run_seconds.csv",
    log:
        "<logs>/measure_speed.log",
    benchmark:
        "<benchmarks>/measure_speed.tsv"
    conda:
        "../envs/benchmark.yaml"
    threads: lambda wildcards: workflow.cores
    resources:
        mem_mb=4000,
        runtime="1h",
        device=STUDY.config["device"],
    params:
        settings=canonical_json(STUDY.timed),
        code=code("measure_speed"),
    shell:
        "python scripts/measure_speed.py --settings {params.settings:q} --threads 1 --device {resources.device}"
        " --dataset {input.images} --summary {input.summary} --speed-table {output.table} --speed {output.speed}"
        " --seconds-table {output.seconds} 2>&1 | tee {log}"


rule cost:
    """Draws throughput against the machine's limit, and the seconds of a run against parameters, steps and data."""
    input:
        table="<results>/tables/speed.csv",
        speed="<results>/tables/speed.json",
        seconds="<results>/tables/run_seconds.csv",
        summary="<results>/dataset.json",
    output:
        **figure("cost", "5 Runs"),
    log:
        "<logs>/figures/cost.log",
    benchmark:
        "<benchmarks>/figures/cost.tsv"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        runs=if_there("--runs", "tables/runs.csv"),
        work=lambda wildcards, input: canonical_json(STUDY.work(extent(input.summary))),
        code=code("cost"),
    shell:
        "python scripts/cost.py --table {input.table} --speed {input.speed} --seconds {input.seconds}"
        " --work {params.work:q} {params.runs} --figures {output} > {log} 2>&1"


rule estimate:
    """Says what the study will cost: seconds a run, core-hours, memory and disk."""
    input:
        summary="<results>/dataset.json" if STUDY.own_file else [],
    log:
        "<logs>/estimate.log",
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime="1m",
    params:
        work=lambda wildcards, input: canonical_json(STUDY.work(extent(input.summary))),
        cores=lambda wildcards: workflow.cores,
        speed=if_there("--speed", "tables/speed.json"),
        code=code("estimate"),
    shell:
        "python scripts/estimate.py --work {params.work:q} --cores {params.cores} {params.speed} 2>&1 | tee {log}"
