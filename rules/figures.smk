"""Draws the figures, one rule each: a rule's name and each of its files are targets.

Needs the tables, or the dataset; makes figures/{name}.svg, .pdf and .png. All rules inherit from the first: they differ
in what they read, and in the module of widthwise.figures, of the rule's own name, that draws. `all` asks for those that
the study has something to show in. Snakemake does not pass `localrule` on to a rule that inherits.
"""

# A user's own data need not have a volume to predict a mask in: `segmentation` is then drawn when it is asked for.
FIGURES = [
    *([] if STUDY.curves else ["task"]),
    "loss_curves",
    *(["loss_parts", "penalty_left"] if STUDY.penalised else []),
    "feature_trends",
    *(["verdict_map"] if not STUDY.curves or STUDY.has_verdicts else []),
    "crossing",
    *([] if STUDY.own_file or STUDY.curves else ["segmentation"]),
    *(["coordinate_check"] if STUDY.coordinate_checks else []),
    *(["best_learning_rates", "rate_budgets"] if STUDY.grids else []),
    *(["depth_trend"] if any(STUDY.circumstances[name].depths for name in STUDY.judged) else []),
]


rule loss_curves:
    """The post's own figure: the objective against steps, one line for each size, one panel for each circumstance."""
    input:
        **PRINTED,
        study="<results>/study.json",
        losses="<results>/tables/losses.csv",
        features="<results>/tables/features.csv",
        verdicts="<results>/tables/verdicts.csv",
        runs="<results>/tables/runs.csv",
    output:
        **figure("loss_curves", "2 Loss curves"),
    log:
        "<logs>/figures/<figure>.log",
    benchmark:
        "<benchmarks>/figures/<figure>.tsv"
    pathvars:
        figure="loss_curves",
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        **drawing("loss_curves"),
        inputs=lambda wildcards, input: [
            f"{name}={path}" for name, path in input.items() if name != "study"
        ],
    shell:
        "python scripts/draw_figure.py {params.name}"
        " --study {input.study:q}"
        " --inputs {params.inputs:q}"
        " --figures {output:q}"
        " > {log:q} 2>&1"


if STUDY.penalised:

    use rule loss_curves as loss_parts with:
        """Objective, data loss and penalty side by side."""
        input:
            study="<results>/study.json",
            losses="<results>/tables/losses.csv",
            features="<results>/tables/features.csv",
            runs="<results>/tables/runs.csv",
        output:
            **figure("loss_parts", "2 Loss curves"),
        pathvars:
            figure="loss_parts",
        localrule: True
        params:
            **drawing("loss_parts"),

    use rule loss_curves as penalty_left with:
        """The penalty at the start and at the end, against parameters and against steps."""
        input:
            study="<results>/study.json",
            losses="<results>/tables/losses.csv",
            penalties="<results>/tables/penalties.csv",
            penalty_ratios="<results>/tables/penalty_ratios.csv",
        output:
            **figure("penalty_left", "2 Loss curves"),
        pathvars:
            figure="penalty_left",
        localrule: True
        params:
            **drawing("penalty_left"),


use rule loss_curves as feature_trends with:
    """Start, initial decay and end against parameters."""
    input:
        study="<results>/study.json",
        features="<results>/tables/features.csv",
        verdicts="<results>/tables/verdicts.csv",
        runs="<results>/tables/runs.csv",
    output:
        **figure("feature_trends", "3 Features and verdicts"),
    pathvars:
        figure="feature_trends",
    localrule: True
    params:
        **drawing("feature_trends"),


use rule loss_curves as verdict_map with:
    """All circumstances at a glance: where the loss starts and ends higher in larger networks."""
    input:
        study="<results>/study.json",
        verdicts="<results>/tables/verdicts.csv",
        features="<results>/tables/features.csv",
    output:
        **figure("verdict_map", "3 Features and verdicts"),
    pathvars:
        figure="verdict_map",
    localrule: True
    params:
        **drawing("verdict_map"),


use rule loss_curves as crossing with:
    """From which step on a larger network's loss stays below a smaller one's."""
    input:
        study="<results>/study.json",
        crossings="<results>/tables/crossings.csv",
        features="<results>/tables/features.csv",
    output:
        **figure("crossing", "3 Features and verdicts"),
    pathvars:
        figure="crossing",
    localrule: True
    params:
        **drawing("crossing"),


if not STUDY.curves:

    use rule loss_curves as task with:
        """Shows the task: training cubes of every class, and a slice of a test volume with its mask."""
        input:
            study="<results>/study.json",
            images=ancient(f"{FIRST_DRAW}.h5"),
            summary=f"{FIRST_DRAW}.json",
        output:
            **figure("task", "4 Task and networks"),
        pathvars:
            figure="task",
        localrule: True
        params:
            **drawing("task"),

    use rule loss_curves as segmentation with:
        """A held-out slice, its mask, and what networks of three sizes predict."""
        input:
            study="<results>/study.json",
            predictions="<results>/tables/segmentation.npz",
        output:
            **figure("segmentation", "4 Task and networks"),
        pathvars:
            figure="segmentation",
        localrule: True
        params:
            **drawing("segmentation"),

    use rule loss_curves as coordinate_check with:
        """How much each layer's output changes in the first steps, against width."""
        input:
            study="<results>/study.json",
            coordinates="<results>/tables/coordinates.csv",
            coordinate_powers="<results>/tables/coordinate_powers.csv",
        output:
            **figure("coordinate_check", "4 Task and networks"),
        pathvars:
            figure="coordinate_check",
        localrule: True
        params:
            **drawing("coordinate_check"),

    use rule loss_curves as best_learning_rates with:
        """The best learning rate against width, one panel for each grid."""
        input:
            study="<results>/study.json",
            runs="<results>/tables/runs.csv",
            optima="<results>/tables/learning_rates.csv",
            slopes="<results>/tables/learning_rate_slopes.csv",
        output:
            **figure("best_learning_rates", "3 Features and verdicts"),
        pathvars:
            figure="best_learning_rates",
        localrule: True
        params:
            **drawing("best_learning_rates"),

    use rule loss_curves as rate_budgets with:
        """Where the data loss ends higher in larger networks, at every learning rate and after ever more steps."""
        input:
            study="<results>/study.json",
            budgets="<results>/tables/learning_rate_budgets.csv",
        output:
            **figure("rate_budgets", "3 Features and verdicts"),
        pathvars:
            figure="rate_budgets",
        localrule: True
        params:
            **drawing("rate_budgets"),

    use rule loss_curves as speed with:
        """Throughput against the machine's limit, and the seconds of a run against parameters, steps and data."""
        input:
            **GATHERED_NETWORKS,
            study="<results>/study.json",
            speed_table="<results>/tables/speed.csv",
            speed="<results>/tables/speed.json",
            seconds="<results>/tables/run_seconds.csv",
            summary=f"{FIRST_DRAW}.json",
        output:
            **figure("speed", "5 Runs"),
        pathvars:
            figure="speed",
        localrule: True
        params:
            **drawing("speed"),


if "depth_trend" in FIGURES:

    use rule loss_curves as depth_trend with:
        """The data loss' end against depth, plain and with shortcuts."""
        input:
            study="<results>/study.json",
            features="<results>/tables/features.csv",
            verdicts="<results>/tables/verdicts.csv",
            runs="<results>/tables/runs.csv",
        output:
            **figure("depth_trend", "3 Features and verdicts"),
        pathvars:
            figure="depth_trend",
        localrule: True
        params:
            **drawing("depth_trend"),
