"""Loss curves on axes: a line for each size, the seeds as a band around their mean.

Shared by every figure of losses against steps. It must not know files, or which circumstance it draws.
"""

import pandas
from matplotlib.axes import Axes

from widthwise.style import size_colours
from widthwise.wording import size_label

BAND = "Line: mean over seeds; band: lowest to highest seed."


def draw_curves(axes: Axes, losses: pandas.DataFrame, measure: str) -> dict[str, tuple[float, tuple]]:
    """Draws `measure` against step for every size in `losses`; a seed that diverged ends its own curve.

    Returns what `style.label_lines` needs: each line's label with its last value and colour.
    """
    colours = size_colours(losses["parameters"])
    ends = {}
    for rank, (parameters, rows) in enumerate(losses.groupby("parameters")):
        by_seed = rows.pivot(index="step", columns="seed", values=measure)
        mean = by_seed.mean(axis="columns")
        axes.fill_between(
            by_seed.index,
            by_seed.min(axis="columns"),
            by_seed.max(axis="columns"),
            color=colours[parameters],
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(mean.index, mean, color=colours[parameters], linewidth=1.1 + 0.2 * rank)
        ends[size_label(parameters)] = (mean.iloc[-1], colours[parameters])
    return ends
