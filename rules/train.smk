"""Trains networks, one run a job, and looks at networks that are not trained.

Needs the datasets; makes a run's losses.csv, run.json and weights.pt, the starting losses of each network over many
initialisations, and the changes of its layers in the first steps. All that decides a job's numbers is one parameter of
canonical JSON, and the code behind them another: a job runs again when one of these or the data changes. The device is
a resource, which Snakemake does not compare: no run is made again because it was elsewhere. A run's checkpoint is no
rule's output, which Snakemake would remove before it starts a job again.
"""

if STUDY.factory:

    rule describe_network:
        """Tries a user's own network on a mini-batch, and writes what it costs."""
        input:
            images=ancient(f"{FIRST_DRAW}.h5"),
            summary=f"{FIRST_DRAW}.json",
        output:
            network="<results>/networks/{trial}.json",
        log:
            "<logs>/describe_network/{trial}.log",
        benchmark:
            "<benchmarks>/describe_network/{trial}.tsv"
        wildcard_constraints:
            trial=one_of(STUDY.trials),
        priority: 1001  # all of them before any training
        conda:
            "../envs/train.yaml"
        threads: 1
        resources:
            mem_mb=each_try(8000),
            runtime=each_try(60),
        params:
            # Params that take `output` are not compared. The output's name holds a digest of what decides it; these
            # settings also name a circumstance, for errors.
            settings=lambda wildcards, output: canonical_json(STUDY.trials[wildcards.trial]),
            code=code("describe_network"),
        shell:
            "python scripts/describe_network.py"
            " --settings {params.settings:q}"
            " --threads {threads}"
            " --device cpu"
            " --dataset {input.images:q}"
            " --summary {input.summary:q}"
            " --network {output.network:q}"
            " > {log:q} 2>&1"

    rule gather_networks:
        """Puts the user's own networks together, and checks that they grow with their size."""
        input:
            study="<results>/study.json",
            networks=[network_of(trial) for trial in STUDY.trials.values()],
        output:
            networks="<results>/networks.json",
        log:
            "<logs>/gather_networks.log",
        benchmark:
            "<benchmarks>/gather_networks.tsv"
        priority: 1001
        localrule: True
        conda:
            "../envs/tables.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime="10m",
        params:
            code=code("gather_networks"),
        shell:
            "python scripts/gather_networks.py"
            " --study {input.study:q}"
            " --networks {input.networks:q}"
            " --gathered {output.networks:q}"
            " > {log:q} 2>&1"


rule train:
    """Trains the network of one circumstance, size and seed, on from its checkpoint if it has one."""
    input:
        **networks_of(run_of),
        images=ancient(f"<results>/dataset/{STUDY.draw('{seed}')}.h5"),
        summary=f"<results>/dataset/{STUDY.draw('{seed}')}.json",
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
        mem_mb=lambda wildcards, input, attempt: attempt
        * memory_of(run := run_of(wildcards), run.training.batch_size, input),
        runtime=lambda wildcards, input, attempt: attempt
        * requested_minutes(
            run_work(
                run := run_of(wildcards), job_complexity(run, input), summary_of(input.summary)
            )
        ),
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(run_of(wildcards)),
        code=code("train"),
    # exec: so that the program is Snakemake's own child, and ends with it.
    shell:
        "exec python scripts/train.py"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --losses {output.losses:q}"
        " --run {output.run:q}"
        " --weights {output.weights:q}"
        f"{NETWORKS_OPTION}"
        " --parent $PPID"
        " > {log:q} 2>&1"


rule measure_starts:
    """Measures the starting losses of many initialisations of one network, forward only."""
    input:
        **networks_of(start_of),
        images=ancient(f"{FIRST_DRAW}.h5"),
        summary=f"{FIRST_DRAW}.json",
    output:
        starts="<results>/starts/{circumstance}/{size}.csv",
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
        mem_mb=lambda wildcards, input, attempt: attempt
        * memory_of(start := start_of(wildcards), start.batch_size, input),
        runtime=lambda wildcards, input, attempt: attempt
        * requested_minutes(start_work(start := start_of(wildcards), job_complexity(start, input))),
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(start_of(wildcards)),
        code=code("measure_starts"),
    shell:
        "python scripts/measure_starts.py"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --starts {output.starts:q}"
        " > {log:q} 2>&1"


rule check_coordinates:
    """Follows the first steps of one network layer by layer."""
    input:
        images=ancient(f"{FIRST_DRAW}.h5"),
        summary=f"{FIRST_DRAW}.json",
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
        mem_mb=lambda wildcards, input, attempt: attempt
        * memory_of(run := first_steps_of(wildcards), run.training.batch_size, input),
        runtime=each_try(60),
        device=STUDY.config["device"],
    params:
        settings=lambda wildcards: canonical_json(first_steps_of(wildcards)),
        code=code("check_coordinates"),
    shell:
        "python scripts/check_coordinates.py"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --coordinates {output.coordinates:q}"
        " > {log:q} 2>&1"


rule embed_networks:
    """Embeds each trained network of a circumstance and seed in every wider one."""
    input:
        images=ancient(f"<results>/dataset/{STUDY.draw('{seed}')}.h5"),
        summary=f"<results>/dataset/{STUDY.draw('{seed}')}.json",
        runs=lambda wildcards: [
            f"<results>/runs/{wildcards.circumstance}/{size}/seed{wildcards.seed}/run.json"
            for size in STUDY.sizes(wildcards.circumstance)
        ],
        weights=lambda wildcards: ancient(
            [
                f"<results>/runs/{wildcards.circumstance}/{size}/seed{wildcards.seed}/weights.pt"
                for size in STUDY.sizes(wildcards.circumstance)
            ]
        ),
    output:
        nesting="<results>/nesting/{circumstance}/seed{seed}.csv",
    log:
        "<logs>/embed_networks/{circumstance}/seed{seed}.log",
    benchmark:
        "<benchmarks>/embed_networks/{circumstance}/seed{seed}.tsv"
    wildcard_constraints:
        circumstance=one_of(STUDY.nested),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt
        * memory_of(run := widest_run_of(wildcards), run.training.batch_size, input),
        runtime=each_try(60),
        device=STUDY.config["device"],
    params:
        code=code("embed_networks"),
    shell:
        "python scripts/embed_networks.py"
        " --threads {threads}"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --runs {input.runs:q}"
        " --weights {input.weights:q}"
        " --nesting {output.nesting:q}"
        " > {log:q} 2>&1"


rule predict_masks:
    """Predicts a held-out slice's mask with the first circumstance's smallest, middle and largest network."""
    input:
        images=ancient(f"{FIRST_DRAW}.h5"),
        summary=f"{FIRST_DRAW}.json",
        runs=[f"<results>/runs/{run.name}/run.json" for run in STUDY.example_runs()],
        weights=ancient([f"<results>/runs/{run.name}/weights.pt" for run in STUDY.example_runs()]),
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
        mem_mb=each_try(2000),
        runtime=each_try(60),
        device=STUDY.config["device"],
    params:
        code=code("predict_masks"),
    shell:
        "python scripts/predict_masks.py"
        " --threads {threads}"
        " --device {resources.device}"
        " --dataset {input.images:q}"
        " --summary {input.summary:q}"
        " --runs {input.runs:q}"
        " --weights {input.weights:q}"
        " --predictions {output.predictions:q}"
        " > {log:q} 2>&1"
