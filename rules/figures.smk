"""Draws the figures, one rule each: a rule's name and each of its files are targets.

Needs the tables, or the dataset for the figure that shows it; makes figures/{name}.svg, .pdf and .png. `all` asks for
those that the study has something to show in.
"""

# A user's own data need not have a volume to predict a mask in: `segmentation` is then drawn when it is asked for.
FIGURES = [
    "dataset",
    "loss_curves",
    "loss_parts",
    "features",
    "verdicts",
    "crossover",
    *([] if STUDY.own_file else ["segmentation"]),
    *(["coordinate_check"] if STUDY.coordinate_checks else []),
    *(["learning_rates"] if STUDY.grids else []),
    *(["depth"] if STUDY.depth_circumstances else []),
]


localrules:
    dataset,
    loss_curves,
    loss_parts,
    features,
    verdicts,
    crossover,
    segmentation,
    coordinate_check,
    learning_rates,
    depth,


rule dataset:
    """Shows the task: training cubes of every class, and a slice of a test volume with its mask."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        **figure("dataset", "4 Task and networks"),
    log:
        "<logs>/figures/dataset.log",
    benchmark:
        "<benchmarks>/figures/dataset.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("dataset"),
    shell:
        "python scripts/dataset.py --dataset {input.images} --summary {input.summary}"
        " --figures {output} > {log} 2>&1"


rule loss_curves:
    """Draws the question's own figure: the objective against steps, a line a size, a panel a circumstance."""
    input:
        losses="<results>/tables/losses.csv",
    output:
        **figure("loss_curves", "2 Loss curves"),
    log:
        "<logs>/figures/loss_curves.log",
    benchmark:
        "<benchmarks>/figures/loss_curves.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        circumstances=STUDY.judged,
        code=code("loss_curves"),
    shell:
        "python scripts/loss_curves.py --losses {input.losses} --circumstances {params.circumstances}"
        " --figures {output} > {log} 2>&1"


rule loss_parts:
    """Draws objective, data loss and penalty side by side, a line a size, a row a circumstance."""
    input:
        losses="<results>/tables/losses.csv",
    output:
        **figure("loss_parts", "2 Loss curves"),
    log:
        "<logs>/figures/loss_parts.log",
    benchmark:
        "<benchmarks>/figures/loss_parts.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        circumstances=STUDY.judged,
        code=code("loss_parts"),
    shell:
        "python scripts/loss_parts.py --losses {input.losses} --circumstances {params.circumstances}"
        " --figures {output} > {log} 2>&1"


rule features:
    """Draws start, initial decay and end against parameters, a row a circumstance."""
    input:
        features="<results>/tables/features.csv",
        verdicts="<results>/tables/verdicts.csv",
    output:
        **figure("features", "3 Features and verdicts"),
    log:
        "<logs>/figures/features.log",
    benchmark:
        "<benchmarks>/figures/features.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("features"),
    shell:
        "python scripts/features.py --features {input.features} --verdicts {input.verdicts}"
        " --figures {output} > {log} 2>&1"


rule verdicts:
    """Draws all verdicts at a glance: circumstance against feature."""
    input:
        verdicts="<results>/tables/verdicts.csv",
    output:
        **figure("verdicts", "3 Features and verdicts"),
    log:
        "<logs>/figures/verdicts.log",
    benchmark:
        "<benchmarks>/figures/verdicts.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("verdicts"),
    shell:
        "python scripts/verdicts.py --verdicts {input.verdicts}" " --figures {output} > {log} 2>&1"


rule crossover:
    """Draws where a larger network's loss stays below a smaller one's."""
    input:
        crossovers="<results>/tables/crossovers.csv",
    output:
        **figure("crossover", "3 Features and verdicts"),
    log:
        "<logs>/figures/crossover.log",
    benchmark:
        "<benchmarks>/figures/crossover.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("crossover"),
    shell:
        "python scripts/crossover.py --crossovers {input.crossovers}"
        " --figures {output} > {log} 2>&1"


rule segmentation:
    """Shows a held-out slice, its mask, and what networks of three sizes predict."""
    input:
        predictions="<results>/tables/segmentation.npz",
    output:
        **figure("segmentation", "4 Task and networks"),
    log:
        "<logs>/figures/segmentation.log",
    benchmark:
        "<benchmarks>/figures/segmentation.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("segmentation"),
    shell:
        "python scripts/segmentation.py --predictions {input.predictions}"
        " --figures {output} > {log} 2>&1"


rule coordinate_check:
    """Draws how much each layer's output changes in the first steps, against width."""
    input:
        coordinates="<results>/tables/coordinates.csv",
    output:
        **figure("coordinate_check", "4 Task and networks"),
    log:
        "<logs>/figures/coordinate_check.log",
    benchmark:
        "<benchmarks>/figures/coordinate_check.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code("coordinate_check"),
    shell:
        "python scripts/coordinate_check.py --coordinates {input.coordinates}"
        " --figures {output} > {log} 2>&1"


rule learning_rates:
    """Draws the best learning rate against width, a panel a grid."""
    input:
        runs="<results>/tables/runs.csv",
        optima="<results>/tables/learning_rates.csv",
        slopes="<results>/tables/learning_rate_slopes.csv",
    output:
        **figure("learning_rates", "3 Features and verdicts"),
    log:
        "<logs>/figures/learning_rates.log",
    benchmark:
        "<benchmarks>/figures/learning_rates.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        grids=canonical_json(STUDY.grids),
        code=code("learning_rates"),
    shell:
        "python scripts/learning_rates.py --runs {input.runs} --optima {input.optima} --slopes {input.slopes}"
        " --grids {params.grids:q}"
        " --figures {output} > {log} 2>&1"


rule depth:
    """Draws the data loss' end value against depth, plain and with shortcuts."""
    input:
        features="<results>/tables/features.csv",
        runs="<results>/tables/runs.csv",
    output:
        **figure("depth", "3 Features and verdicts"),
    log:
        "<logs>/figures/depth.log",
    benchmark:
        "<benchmarks>/figures/depth.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        circumstances=STUDY.depth_circumstances,
        code=code("depth"),
    shell:
        "python scripts/depth.py --features {input.features} --runs {input.runs}"
        " --circumstances {params.circumstances}"
        " --figures {output} > {log} 2>&1"
