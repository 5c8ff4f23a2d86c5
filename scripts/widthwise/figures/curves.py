"""Loss curves on axes: a line for each size, the seeds as a band around their mean.

Shared by every figure of losses against steps. It must not know files, or which circumstance it draws.
"""

import pandas
from matplotlib.axes import Axes

from widthwise.figures.style import size_colours
from widthwise.report.wording import size_label

BAND = "Line: mean over seeds; band: lowest to highest seed. Dotted: seeds after another of their size diverged."


def draw_curves(axes: Axes, losses: pandas.DataFrame, measure: str) -> dict[str, tuple[float, tuple]]:
    """Draws `measure` against step for every size in `losses`.

    The mean goes as far as every seed does; where one has diverged the others go on alone, dotted, so that no mean
    is one of survivors. Returns what `style.label_lines` needs: each line's label with its last value and colour.
    """
    colours = size_colours(losses["parameters"])
    seeds = losses["seed"].nunique()
    ends = {}
    for rank, (parameters, rows) in enumerate(losses.groupby("parameters")):
        by_seed = rows.pivot(index="step", columns="seed", values=measure)
        complete = by_seed.dropna() if len(by_seed.columns) == seeds else by_seed.iloc[:0]
        mean, colour = complete.mean(axis="columns"), colours[parameters]
        lowest, highest = complete.min(axis="columns"), complete.max(axis="columns")
        axes.fill_between(complete.index, lowest, highest, color=colour, alpha=0.18, linewidth=0)
        axes.plot(mean.index, mean, color=colour, linewidth=1.1 + 0.2 * rank)
        alone = by_seed.loc[mean.index[-1] if len(mean) else 0 :]
        if len(alone) > 1:
            axes.plot(alone.index, alone, color=colour, linewidth=0.8, linestyle=":")
        last = by_seed.mean(axis="columns").iloc[-1] if mean.empty else mean.iloc[-1]
        ends[size_label(parameters)] = (last, colour)
    return ends
