"""Makes the datasets that runs train on: one for each seed, or a user's own.

Needs the config's `dataset`, and the data that it may name; makes dataset/{draw}.h5 and .json. Consumers depend on the
small .json file, which holds the content's digest, and take the .h5 file as `ancient`: a large file is compared by its
time, and a touch would retrain everything.
"""

if STUDY.own_file and SOURCE:

    # If the data can no longer be read, this rule is left out, and the imported copy is kept.
    # A failed import leaves the images that were there, but not their summary: so it is tried again.
    # The data themselves are no input: moving or touching them changes nothing. Their digest is a parameter.
    rule import_dataset:
        """Checks a user's own data and writes their images in the study's layout."""
        output:
            images=update("<results>/dataset/own.h5"),
            summary="<results>/dataset/own.json",
        log:
            "<logs>/import_dataset.log",
        benchmark:
            "<benchmarks>/import_dataset.tsv"
        localrule: True
        conda:
            "../envs/dataset.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime="4h",
        params:
            content=SOURCE["sha256"],
            settings=canonical_json(STUDY.import_settings),
            # Params that take `output` are not compared. These two do not change the result.
            source=lambda wildcards, output: canonical_json(SOURCE),
            requirements=lambda wildcards, output: canonical_json(STUDY.data_requirements),
            code=code("import_dataset"),
        shell:
            "python scripts/import_dataset.py"
            " --source {params.source:q}"
            " --settings {params.settings:q}"
            " --requirements {params.requirements:q}"
            " --dataset {output.images:q}"
            " --summary {output.summary:q}"
            " 2> {log:q}"

elif not STUDY.own_file:

    rule generate_dataset:
        """Makes synthetic volumes and cuts labelled cubes out of them, anew for each seed."""
        output:
            multiext("<results>/dataset/{draw}", images=".h5", summary=".json"),
        log:
            "<logs>/generate_dataset/{draw}.log",
        cache: True
        localrule: True
        conda:
            "../envs/dataset.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime="10m",
        params:
            settings=canonical_json(STUDY.dataset),
            draw=lambda wildcards: int(wildcards.draw.removeprefix("seed")),
            code=code("generate_dataset"),
        shell:
            "python scripts/generate_dataset.py"
            " --settings {params.settings:q}"
            " --draw {params.draw}"
            " --dataset {output.images:q}"
            " --summary {output.summary:q}"
            " > {log:q} 2>&1"
