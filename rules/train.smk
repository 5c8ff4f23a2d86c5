"""Trains one network a job: a circumstance, a size and a seed.

Needs the dataset; makes a run's losses.csv and run.json. All that decides a run's numbers is one parameter of
canonical JSON, and the code behind them another: a job runs again when one of these or the data changes.
"""


rule train:
    """Trains the network of one circumstance, size and seed, and logs its losses."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        losses="<results>/runs/{circumstance}/{size}/seed{seed}/losses.csv",
        run="<results>/runs/{circumstance}/{size}/seed{seed}/run.json",
    log:
        "<logs>/train/{circumstance}/{size}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{circumstance}/{size}/seed{seed}.tsv"
    priority: lambda wildcards: size_value(wildcards.size)  # the widest take longest
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="1h",
    params:
        settings=lambda wildcards: canonical_json(STUDY.run_settings(**wildcards)),
        code=code("train"),
    shell:
        "python scripts/train.py --settings {params.settings:q} --threads {threads}"
        " --dataset {input.images} --summary {input.summary}"
        " --losses {output.losses} --run {output.run} > {log} 2>&1"
