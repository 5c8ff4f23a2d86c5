"""Trains networks, one a job, and looks at networks that are not trained.

Needs the dataset; makes a run's losses.csv, run.json and weights.pt, each network's starting losses and sums of
squares over many initialisations, and the changes of its layers in the first steps. All that decides a job's numbers is one
parameter of canonical JSON, and the code behind them another: it runs again when one of these or the data changes.
The device is a resource, which Snakemake does not compare: no run is made again because it was elsewhere.
A run's checkpoint is no rule's output, which Snakemake would remove before it starts a job again.
"""


rule train:
    """Trains the network of one circumstance, size and seed, on from its checkpoint if it has one."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        losses="<results>/runs/{circumstance}/{size}/seed{seed}/losses.csv",
        run="<results>/runs/{circumstance}/{size}/seed{seed}/run.json",
        weights="<results>/runs/{circumstance}/{size}/seed{seed}/weights.pt",
    log:
        "<logs>/train/{circumstance}/{size}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{circumstance}/{size}/seed{seed}.tsv"
    priority: lambda wildcards: size_value(wildcards.size)  # the widest take longest
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: (
            attempt * memory_mb(STUDY.run_settings(**wildcards), extent(input.summary))
        ),
        runtime=lambda wildcards, input, attempt: (
            attempt * minutes(STUDY.run_settings(**wildcards), extent(input.summary))
        ),
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(STUDY.run_settings(**wildcards)),
        folder=subpath(output.run, parent=True),
        code=code("train"),
    # exec: so that the program is Snakemake's own child, and ends with it.
    shell:
        "exec python scripts/train.py --settings {params.settings:q} --threads {threads} --device {resources.device}"
        " --dataset {input.images} --summary {input.summary}"
        " --losses {output.losses} --run {output.run} --weights {output.weights}"
        " --checkpoint {params.folder}/checkpoint.pt --parent $PPID > {log} 2>&1"


rule measure_starts:
    """Measures the starting losses of many initialisations of one network, forward only."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        starts="<results>/starts/{circumstance}/{size}.csv",
        sums_of_squares="<results>/sums_of_squares/{circumstance}/{size}.csv",
    log:
        "<logs>/measure_starts/{circumstance}/{size}.log",
    benchmark:
        "<benchmarks>/measure_starts/{circumstance}/{size}.tsv"
    wildcard_constraints:
        circumstance=one_of(set(STUDY.starts.values())),
    priority: lambda wildcards: size_value(wildcards.size)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: memory_mb(
            STUDY.start_settings(**wildcards), extent(input.summary)
        ),
        runtime="1h",
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(STUDY.start_settings(**wildcards)),
        initialisations=STUDY.config["analysis"]["initialisations"],
        code=code("measure_starts"),
    shell:
        "python scripts/measure_starts.py --settings {params.settings:q} --threads {threads} --device {resources.device}"
        " --initialisations {params.initialisations}"
        " --dataset {input.images} --summary {input.summary}"
        " --starts {output.starts} --sums-of-squares {output.sums_of_squares} > {log} 2>&1"


rule check_coordinates:
    """Follows the first steps of one network layer by layer."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        coordinates="<results>/coordinates/{circumstance}/{size}.csv",
    log:
        "<logs>/check_coordinates/{circumstance}/{size}.log",
    benchmark:
        "<benchmarks>/check_coordinates/{circumstance}/{size}.tsv"
    wildcard_constraints:
        circumstance=one_of(STUDY.coordinate_checks),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: memory_mb(
            STUDY.first_steps_settings(**wildcards), extent(input.summary)
        ),
        runtime="1h",
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(STUDY.first_steps_settings(**wildcards)),
        code=code("check_coordinates"),
    shell:
        "python scripts/check_coordinates.py --settings {params.settings:q} --threads {threads} --device {resources.device}"
        " --dataset {input.images} --summary {input.summary}"
        " --coordinates {output.coordinates} > {log} 2>&1"


rule predict_masks:
    """Predicts a held-out slice's mask with the first circumstance's smallest, middle and largest network."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
        runs=[f"<results>/runs/{run.name}/run.json" for run in STUDY.examples],
        weights=ancient([f"<results>/runs/{run.name}/weights.pt" for run in STUDY.examples]),
    output:
        predictions="<results>/tables/segmentation.npz",
    log:
        "<logs>/predict_masks.log",
    benchmark:
        "<benchmarks>/predict_masks.tsv"
    priority: 1000  # long, and one: left to the end, it would keep one core busy and all others idle
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
        device=STUDY.config["device"],
    params:
        code=code("predict_masks"),
    shell:
        "python scripts/predict_masks.py --dataset {input.images} --summary {input.summary}"
        " --runs {input.runs} --weights {input.weights} --threads {threads} --device {resources.device}"
        " --predictions {output.predictions} > {log} 2>&1"
