"""Draws the figures, one rule each: a rule's name and each of its files are targets.

Needs the tables, or the dataset for the figure that shows it; makes figures/{name}.svg, .pdf and .png.
"""

FIGURES = ["dataset", "loss_curves", "loss_parts"]
EXTENSIONS = ["svg", "pdf", "png"]


rule dataset:
    """Shows the task: a slice of a test volume, its mask, and training cubes of both classes."""
    input:
        images=ancient("<results>/dataset.h5"),
        summary="<results>/dataset.json",
    output:
        svg="<results>/figures/dataset.svg",
        pdf="<results>/figures/dataset.pdf",
        png="<results>/figures/dataset.png",
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
        svg="<results>/figures/loss_curves.svg",
        pdf="<results>/figures/loss_curves.pdf",
        png="<results>/figures/loss_curves.png",
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
        code=code("loss_curves"),
    shell:
        "python scripts/loss_curves.py --losses {input.losses} --figures {output} > {log} 2>&1"


rule loss_parts:
    """Draws objective, data loss and penalty side by side, a line a size, a row a circumstance."""
    input:
        losses="<results>/tables/losses.csv",
    output:
        svg="<results>/figures/loss_parts.svg",
        pdf="<results>/figures/loss_parts.pdf",
        png="<results>/figures/loss_parts.png",
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
        code=code("loss_parts"),
    shell:
        "python scripts/loss_parts.py --losses {input.losses} --figures {output} > {log} 2>&1"
