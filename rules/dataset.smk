"""Makes the dataset that every run of the study trains on.

Needs the config's `dataset`; makes dataset.h5 and dataset.json. Consumers depend on the small dataset.json,
which holds the content's digest, and take dataset.h5 as `ancient`: a large file is compared by its time, and a
touch would retrain everything.
"""


localrules:
    generate_dataset,


rule generate_dataset:
    """Makes synthetic volumes and cuts labelled cubes out of them."""
    output:
        multiext("<results>/dataset", images=".h5", summary=".json"),
    log:
        "<logs>/generate_dataset.log",
    cache: True
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
