"""Where loss curves start, how fast they fall and where they end, against the number of parameters.

Reads tables/features.csv (means over seeds with 95% intervals) and verdicts.csv. Solid and filled is the objective,
dashed and open the data loss; where the two part, the penalty is what parts them.
"""

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes

from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import MEASURE_STYLES, caption, parameter_axis, span_at_least
from widthwise.report.wording import circumstance_label

COLUMNS = {
    "starting_loss": "starting loss (nats)",
    "initial_decay": "initial decay (nats)",
    "end_value": "end value (nats)",
}


def draw_feature(axes: Axes, features: pandas.DataFrame, verdicts: pandas.DataFrame) -> None:
    """One feature in one circumstance: a line a measure, and its verdict in words."""
    words = []
    for measure, style in MEASURE_STYLES.items():
        means = features[features["measure"] == measure].sort_values("parameters")
        axes.errorbar(
            means["parameters"],
            means["mean"],
            yerr=[means["mean"] - means["ci_low"], means["ci_high"] - means["mean"]],
            capsize=2,
            elinewidth=0.8,
            **style,
        )
        verdict = verdicts.loc[verdicts["measure"] == measure, "verdict"].iloc[0]
        words.append(f"{measure.replace('_', ' ')} {verdict}")
    axes.set_title("; ".join(words), fontsize=8, color="#333333")


def draw(features: pandas.DataFrame, verdicts: pandas.DataFrame) -> pyplot.Figure:
    """A row a circumstance, a column a feature; each panel on its own scale."""
    circumstances = list(verdicts["circumstance"].unique())
    figure, grid = pyplot.subplots(
        len(circumstances),
        len(COLUMNS),
        figsize=(9.6, 2.2 * len(circumstances) + 1.1),
        sharex="row",
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle("Start, initial decay and end against parameters")
    for row, circumstance in zip(grid, circumstances, strict=True):
        for axes, feature in zip(row, COLUMNS, strict=True):
            draw_feature(
                axes,
                *(
                    table[(table["circumstance"] == circumstance) & (table["feature"] == feature)]
                    for table in (features, verdicts)
                ),
            )
            span_at_least(axes)
            parameter_axis(axes, features.loc[features["circumstance"] == circumstance, "parameters"])
        row[0].set_ylabel(circumstance_label(circumstance), fontweight="bold")
    for axes, label in zip(grid[0], COLUMNS.values(), strict=True):
        axes.annotate(label, (0.5, 1.22), xycoords="axes fraction", ha="center", fontsize=10, annotation_clip=False)
    for axes in grid[-1]:
        axes.set_xlabel("parameters")
    handles = [
        pyplot.Line2D([], [], label=measure.replace("_", " "), **style) for measure, style in MEASURE_STYLES.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
    seeds = features.groupby("feature")["seeds"].max()
    caption(
        figure,
        f"Mean and 95% t interval over {seeds['end_value']} seeds; starting loss over {seeds['starting_loss']} "
        "initialisations. A size with a diverged run has no point. Each panel has its own scale.",
    )
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["features", "verdicts"])
