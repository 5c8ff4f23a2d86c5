"""Where the loss ends as parameters are added as depth instead of width, with 95% intervals.

At the same depth, networks with and without shortcuts have the same parameters, so the shortcut is the only difference.
It says nothing about width.
"""

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.analysis.tables import classes_of
from widthwise.figures.axes import beside, far_below_note, guessing_key, log_axis, loss_limits
from widthwise.figures.curves import DIVERGED
from widthwise.figures.findings import END, ONE_SEED, clause, verdict_of
from widthwise.figures.layout import explain, panel_grid, title, title_panel
from widthwise.figures.style import series_styles
from widthwise.report.wording import MEASURES, group_by_words, listed, size_label
from widthwise.study.plan import Study

PANELS = ("objective", "data_loss")


def draw(study: Study, features: pandas.DataFrame, verdicts: pandas.DataFrame, runs: pandas.DataFrame) -> Figure:
    """Draws the ends of reported loss and data loss against depth."""
    circumstances = [name for name in study.judged if study.circumstances[name].depths]
    if not circumstances:
        raise ValueError("no circumstance of the study grows in depth: add one with `depths` to `study`")
    ends = features[(features["feature"] == "end_value") & features["circumstance"].isin(circumstances)]
    ends = ends.assign(depth=ends["size"].str.removeprefix("depth").astype(int))
    styles = dict(zip(circumstances, series_styles(len(circumstances)), strict=True))
    classes = classes_of(runs)
    figure, panels = panel_grid(len(PANELS), height=3.6)
    title(figure, finding(verdicts, study, circumstances))
    panels[1].sharey(panels[0])
    for axes, measure in zip(panels, PANELS, strict=True):
        title_panel(axes, [f"{MEASURES[measure]}, end"])
        for place, (name, style) in enumerate(styles.items()):
            rows = ends[(ends["measure"] == measure) & (ends["circumstance"] == name)].sort_values("depth")
            draw_line(axes, rows, style, beside(place, len(styles)))
        depth_axis(axes, ends)
        axes.set(xlabel="depth (weight layers), and parameters", ylabel="nats")
    outside = [loss_limits(panels[0], classes)]
    handles = [pyplot.Line2D([], [], **style, label=study.title(name)) for name, style in styles.items()]
    if ends["mean"].isna().any():
        handles.append(pyplot.Line2D([], [], **DIVERGED, label="a run of this size diverged"))
    seeds = ends["seeds"].max()
    intervals = ONE_SEED if seeds == 1 else f"Mean and 95% t interval over {seeds} seeds."
    explain(
        figure,
        f"{intervals}{far_below_note(classes, outside)}",
        [*handles, *guessing_key(classes, outside)],
    )
    return figure


def draw_line(axes: Axes, rows: pandas.DataFrame, style: dict, shift: float) -> None:
    """Draws the ends of one circumstance; a size of which a run diverged has a cross instead."""
    at = rows["depth"] * shift
    errors = [rows["mean"] - rows["ci_low"], rows["ci_high"] - rows["mean"]]
    axes.errorbar(at, rows["mean"], yerr=errors, capsize=2, elinewidth=0.8, **style)
    lost = at[rows["mean"].isna()]
    axes.plot(lost, [0.96] * len(lost), transform=axes.get_xaxis_transform(), **DIVERGED | {"color": style["color"]})


def depth_axis(axes: Axes, ends: pandas.DataFrame) -> None:
    """Ticks each depth, and writes its parameters where they are the same in all circumstances."""
    counts = ends.groupby("depth")["parameters"].unique()
    labels = {
        depth: f"{depth}\n{size_label(found[0])}" if len(found) == 1 else str(depth) for depth, found in counts.items()
    }
    log_axis(axes, labels, labels.get)


def finding(verdicts: pandas.DataFrame, study: Study, circumstances: list[str]) -> str:
    """Says where the data loss ends as depth grows, in each circumstance."""
    verdicts_of = {name: verdict_of(verdicts, name, "data_loss", "end_value") for name in circumstances}
    words = group_by_words((END[verdict], study.title(name)) for name, verdict in verdicts_of.items() if verdict)
    if not words:
        return "Parameters added as depth: where the loss ends"
    return "As depth grows, the data loss " + listed(
        f"{clause(text)} in {listed(names)}" for text, names in words.items()
    )
