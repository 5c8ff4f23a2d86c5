"""Trains networks, one a job, and looks at networks that are not trained.

Needs the dataset; makes a run's losses.csv, run.json and weights.pt, a circumstance's starting losses over many
initialisations, and the changes of its layers in the first steps. All that decides a job's numbers is one
parameter of canonical JSON, and the code behind them another: it runs again when one of these or the data changes.
"""


rule train:
    """Trains the network of one circumstance, size and seed, and logs its losses."""
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
        " --losses {output.losses} --run {output.run} --weights {output.weights} > {log} 2>&1"


rule measure_starts:
    """Measures the starting losses of many initialisations of each size, forward only."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        starts="<results>/starts/{circumstance}.csv",
    log:
        "<logs>/measure_starts/{circumstance}.log",
    benchmark:
        "<benchmarks>/measure_starts/{circumstance}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="1h",
    params:
        settings=lambda wildcards: canonical_json(
            STUDY.initialisation_settings(wildcards.circumstance)
        ),
        initialisations=STUDY.config["analysis"]["initialisations"],
        code=code("measure_starts"),
    shell:
        "python scripts/measure_starts.py --settings {params.settings:q} --threads {threads}"
        " --initialisations {params.initialisations}"
        " --dataset {input.images} --summary {input.summary} --starts {output.starts} > {log} 2>&1"


rule check_coordinates:
    """Follows the first steps of each size layer by layer."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        coordinates="<results>/coordinates/{circumstance}.csv",
    log:
        "<logs>/check_coordinates/{circumstance}.log",
    benchmark:
        "<benchmarks>/check_coordinates/{circumstance}.tsv"
    wildcard_constraints:
        circumstance=one_of(STUDY.coordinate_checks),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="1h",
    params:
        settings=lambda wildcards: canonical_json(
            STUDY.initialisation_settings(wildcards.circumstance)
        ),
        seeds=STUDY.seeds,
        code=code("check_coordinates"),
    shell:
        "python scripts/check_coordinates.py --settings {params.settings:q} --threads {threads}"
        " --seeds {params.seeds} --dataset {input.images} --summary {input.summary}"
        " --coordinates {output.coordinates} > {log} 2>&1"


rule predict_masks:
    """Predicts a held-out slice's mask with the first circumstance's smallest, middle and largest network."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
        runs=[f"<results>/runs/{run.name}/run.json" for run in STUDY.examples],
        weights=[f"<results>/runs/{run.name}/weights.pt" for run in STUDY.examples],
    output:
        predictions="<results>/tables/segmentation.npz",
    log:
        "<logs>/predict_masks.log",
    benchmark:
        "<benchmarks>/predict_masks.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        code=code("predict_masks"),
    shell:
        "python scripts/predict_masks.py --dataset {input.images} --summary {input.summary}"
        " --runs {input.runs} --weights {input.weights} --threads {threads}"
        " --predictions {output.predictions} > {log} 2>&1"
