"""Measures how fast this machine trains the study's sizes.

`benchmark` needs a dataset alone, not the study; makes tables/speed.csv, speed.json, run_seconds.csv and the figure
`speed`, of the study whose --configfile is given. `python scripts/study.py estimate`, with the same --configfile, then
goes by this machine's speed. Lightning and Keras are timed beside ours where they are installed
(`pip install lightning keras tensorflow-cpu`).
"""

# The settings whose training steps are timed.
TIMED = [
    STUDY.run_settings(STUDY.judged[0], size, STUDY.seeds[0])
    for size in STUDY.sizes(STUDY.judged[0])
]


rule measure_speed:
    """Times the training step of the first circumstance's sizes, with the machine to itself."""
    input:
        **({"networks": [network_of(run) for run in TIMED]} if STUDY.factory else {}),
        images=ancient(f"{FIRST_DRAW}.h5"),
        summary=f"{FIRST_DRAW}.json",
    output:
        table="<results>/tables/speed.csv",
        speed="<results>/tables/speed.json",
        seconds="<results>/tables/run_seconds.csv",
    log:
        "<logs>/measure_speed.log",
    benchmark:
        "<benchmarks>/measure_speed.tsv"
    localrule: True
    conda:
        "../envs/benchmark.yaml"
    threads: workflow.resource_settings.cores or 1  # all of them, so that nothing runs beside it
    resources:
        mem_mb=6000,  # 3600 were measured with all alternatives at width 26
        runtime="1h",
        device=STUDY.config["device"],
    params:
        settings=canonical_json(TIMED),
        complexities=lambda wildcards, input: canonical_json(
            [job_complexity(run, input) for run in TIMED]
        ),
        code=code("measure_speed"),
    shell:
        "python scripts/measure_speed.py"
        " --settings {params.settings:q}"
        " --complexities {params.complexities:q}"
        " --threads 1"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --speed-table {output.table:q}"
        " --speed {output.speed:q}"
        " --seconds-table {output.seconds:q}"
        " 2>&1 | tee {log:q}"
