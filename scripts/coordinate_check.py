"""The coordinate check: how much each layer's output changes in the first steps, against width.

Reads tables/coordinates.csv. A parametrisation that suits width keeps the lines level; lines that climb say that a
step changes the function of a wide network more than that of a narrow one.
"""

import pandas
from matplotlib import pyplot

from widthwise.figures.figure_program import draw_from_tables
from widthwise.figures.style import caption, label_lines, sequential_colours
from widthwise.report.wording import circumstance_label


def draw(coordinates: pandas.DataFrame) -> pyplot.Figure:
    """A panel a circumstance: a line a layer, first to last, after the last step that was followed."""
    last = coordinates[coordinates["step"] == coordinates["step"].max()]
    circumstances = list(last["circumstance"].unique())
    layers = list(last["layer"].unique())
    colours = dict(zip(layers, sequential_colours(len(layers)), strict=True))
    figure, grid = pyplot.subplots(
        1,
        len(circumstances),
        figsize=(4.6 * len(circumstances) + 0.4, 4.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle(f"Change of each layer's output after {last['step'].max()} steps, before BatchNorm")
    ends = {}
    for axes, circumstance in zip(grid[0], circumstances, strict=True):
        of_circumstance = last[last["circumstance"] == circumstance]
        for layer in layers:
            # Medians: a change is positive and its scale, not its sum, is of interest.
            medians = of_circumstance[of_circumstance["layer"] == layer].groupby("width")["rms_change"].median()
            is_head = layer == "head"
            axes.plot(
                medians.index,
                medians,
                color=colours[layer],
                linewidth=2.4 if is_head else 1,
                marker="o" if is_head else None,
                markersize=4,
            )
            if layer in (layers[0], layers[-2], layers[-1]):
                name = {layers[0]: "first convolution", layers[-2]: "last convolution"}.get(layer, "logits")
                ends.setdefault(axes, {})[name] = (medians.iloc[-1], colours[layer])
        widths = sorted(last["width"].unique())
        axes.set(xscale="log", yscale="log", xlabel="width", title=circumstance_label(circumstance))
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.xaxis.set_minor_locator(pyplot.NullLocator())
    grid[0, 0].set_ylabel("root mean square change from step 0")
    figure.get_layout_engine().set(w_pad=0.45)
    caption(
        figure,
        f"Median of {last['seed'].nunique()} seeds, on a fixed batch. Thin: convolutions, first light to last dark; "
        "thick: the logits.",
    )
    label_lines(figure, ends)
    return figure


if __name__ == "__main__":
    draw_from_tables(__doc__, draw, ["coordinates"])
