"""Makes the dataset that every run of the study trains on, or takes a user's own in.

Needs the config's `dataset`, and the file that it may name; makes dataset.h5 and dataset.json. Consumers depend on
the small dataset.json, which holds the content's digest, and take dataset.h5 as `ancient`: a large file is compared
by its time, and a touch would retrain everything.
"""

if STUDY.own_file:

    # The file is no input, since neither its time nor its place makes it another: its content's digest is a parameter.
    # Functions of the output are not compared: what they give decides nothing of what is written.
    rule import_dataset:
        """Checks a user's own file and writes its cubes in the study's layout."""
        output:
            images="<results>/dataset.h5",
            summary="<results>/dataset.json",
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
            source=lambda wildcards, output: canonical_json(SOURCE),
            asked=lambda wildcards, output: canonical_json(STUDY.asked),
            code=code("import_dataset"),
        shell:
            "python scripts/import_dataset.py --source {params.source:q} --asked {params.asked:q}"
            " --dataset {output.images} --summary {output.summary} > {log} 2>&1"

else:

    rule generate_dataset:
        """Makes synthetic volumes and cuts labelled cubes out of them."""
        output:
            multiext("<results>/dataset", images=".h5", summary=".json"),
        log:
            "<logs>/generate_dataset.log",
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
            code=code("generate_dataset"),
        shell:
            "python scripts/generate_dataset.py --settings {params.settings:q}"
            " --dataset {output.images} --summary {output.summary} > {log} 2>&1"
