"""Gathers what runs have written into tables.

Needs losses.csv and run.json of every run, the starting losses, the coordinate checks and the embedded networks. Makes
tables/*.csv: first one set for each circumstance, so that no job is given ten thousand paths, then the study's own.
"""


rule gather_circumstance:
    """Checks that one circumstance's runs are all there, with this study's settings, and gathers them."""
    input:
        study="<results>/study.json",
        losses=lambda wildcards: [
            f"<results>/runs/{run.name}/losses.csv" for run in STUDY.runs(wildcards.circumstance)
        ],
        runs=lambda wildcards: [
            f"<results>/runs/{run.name}/run.json" for run in STUDY.runs(wildcards.circumstance)
        ],
        datasets=[f"<results>/dataset/{draw}.json" for draw in STUDY.draws],
    output:
        losses="<results>/tables/{circumstance}/losses.csv",
        runs="<results>/tables/{circumstance}/runs.csv",
        printed="<results>/tables/{circumstance}/printed.csv",
    log:
        "<logs>/gather_circumstance/{circumstance}.log",
    benchmark:
        "<benchmarks>/gather_circumstance/{circumstance}.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        results=subpath(input.study, parent=True),
        tables=subpath(output.runs, parent=True),
        code=code("gather_circumstance"),
    shell:
        "python scripts/gather_circumstance.py"
        " --study {input.study:q}"
        " --circumstance {wildcards.circumstance}"
        " --runs-folder {params.results:q}/runs"
        " --tables {params.tables:q}"
        " > {log:q} 2>&1"


# Circumstances whose initial networks are the same share their starting losses.
STARTS = dict.fromkeys(
    f"<results>/starts/{start}/{size}.csv"
    for name, start in STUDY.starts.items()
    for size in STUDY.sizes(name)
)


rule gather_study:
    """Puts the tables of all circumstances and their starting losses together, in the study's order."""
    input:
        study="<results>/study.json",
        losses=expand("<results>/tables/{name}/losses.csv", name=STUDY.circumstances),
        runs=expand("<results>/tables/{name}/runs.csv", name=STUDY.circumstances),
        printed=expand("<results>/tables/{name}/printed.csv", name=STUDY.circumstances),
        starts=list(STARTS),
    output:
        losses="<results>/tables/losses.csv",
        runs="<results>/tables/runs.csv",
        printed="<results>/tables/printed.csv",
        starts="<results>/tables/starts.csv",
    log:
        "<logs>/gather_study.log",
    benchmark:
        "<benchmarks>/gather_study.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        tables=subpath(output.runs, parent=True),
        parts=lambda wildcards, input: [
            "--circumstances",
            *(str(Path(path).parent) for path in input.runs),
            "--starts",
            *input.starts,
        ],
        code=code("gather_study"),
    shell:
        "python scripts/gather_study.py"
        " --study {input.study:q}"
        " --tables {params.tables:q}"
        " {params.parts:q}"
        " > {log:q} 2>&1"


use rule gather_study as gather_coordinates with:
    """Puts the networks' first steps together."""
    input:
        study="<results>/study.json",
        coordinates=[
            f"<results>/coordinates/{name}/{size}.csv"
            for name in STUDY.coordinate_checks
            for size in STUDY.sizes(name)
        ],
    output:
        coordinates="<results>/tables/coordinates.csv",
        powers="<results>/tables/coordinate_powers.csv",
    log:
        "<logs>/gather_coordinates.log",
    benchmark:
        "<benchmarks>/gather_coordinates.tsv"
    localrule: True
    params:
        tables=subpath(output.coordinates, parent=True),
        parts=lambda wildcards, input: ["--coordinates", *input.coordinates],


use rule gather_study as gather_nesting with:
    """Puts the embedded networks together."""
    input:
        study="<results>/study.json",
        nesting=expand(
            "<results>/nesting/{name}/seed{seed}.csv", name=STUDY.nested, seed=STUDY.seeds
        ),
    output:
        nesting="<results>/tables/nesting.csv",
    log:
        "<logs>/gather_nesting.log",
    benchmark:
        "<benchmarks>/gather_nesting.tsv"
    localrule: True
    params:
        tables=subpath(output.nesting, parent=True),
        parts=lambda wildcards, input: ["--nesting", *input.nesting],
