"""Parameters added as depth: where the data loss ends, plain and with parameter-free shortcuts.

Reads tables/features.csv and runs.csv. Counts of parameters are the same with and without shortcuts, so
that at one depth the shortcut is all that differs.
"""

import pandas
from matplotlib import pyplot

from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption, label_lines
from widthwise.report.wording import circumstance_label, size_label

LOOKS = (("#d55e00", "-", "o"), ("#0072b2", "--", "s"), ("#009e73", ":", "^"), ("#000000", "-.", "D"))
BESIDE = 1.03  # how much further right each next circumstance stands, so that no interval hides another


def draw(features: pandas.DataFrame, runs: pandas.DataFrame, circumstances: list[str]) -> pyplot.Figure:
    """End value of the data loss against depth, and the same against parameters; a line a circumstance."""
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.9), sharey=True, layout="constrained")
    figure.suptitle("Parameters added as depth: the end value of the data loss")
    depths = runs.drop_duplicates("parameters").set_index("parameters")["depth"]
    of_end = features[(features["measure"] == "data_loss") & (features["feature"] == "end_value")]
    ends = {}
    for position, (circumstance, (colour, line, marker)) in enumerate(zip(circumstances, LOOKS, strict=False)):
        means = of_end[of_end["circumstance"] == circumstance].sort_values("parameters")
        for axes, x in zip(panels, (means["parameters"].map(depths), means["parameters"]), strict=True):
            axes.errorbar(
                x * BESIDE ** (position - (len(circumstances) - 1) / 2),
                means["mean"],
                yerr=[means["mean"] - means["ci_low"], means["ci_high"] - means["mean"]],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=5,
                capsize=2,
            )
        finite = means["mean"].dropna()
        if len(finite):
            ends[circumstance_label(circumstance)] = (finite.iloc[-1], colour)
    grown = runs[runs["circumstance"].isin(circumstances)].drop_duplicates("parameters").sort_values("parameters")
    panels[0].set(xlabel="depth (weight layers)", ylabel="nats", xscale="log")
    panels[0].set_xticks(grown["depth"], grown["depth"])
    panels[1].set(xlabel="parameters", xscale="log")
    panels[1].set_xticks(grown["parameters"], [size_label(count) for count in grown["parameters"]])
    for axes in panels:
        axes.xaxis.set_minor_locator(pyplot.NullLocator())
    figure.get_layout_engine().set(w_pad=0.3)
    caption(
        figure,
        f"Mean and 95% t interval over {of_end['seeds'].max()} seeds; a size with a diverged run has no point.",
    )
    label_lines(figure, {panels[1]: ends})
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["features", "runs"], lists=["circumstances"])
