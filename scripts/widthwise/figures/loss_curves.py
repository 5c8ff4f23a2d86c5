"""The reported loss while ever larger networks train, from red (the smallest) to black (the largest), one panel for
each circumstance.

A higher curve is not a worse fit: the reported loss holds the penalty, which *loss parts* takes off. A curve that still
falls at its end says nothing about where it would settle.
"""

import pandas
from matplotlib.figure import Figure

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.tables import classes_of, rows_with
from widthwise.figures.axes import cut_far_above, guessing_key, guessing_line, size_labels, step_axis, tick_log_ends
from widthwise.figures.curves import curve_key, curve_note, draw_curves, draw_printed, draw_starts, shown_ends
from widthwise.figures.findings import curve_words, tally
from widthwise.figures.labels import label_lines
from widthwise.figures.layout import explain, panel_grid, title, title_panel
from widthwise.report.palette import size_colours
from widthwise.report.wording import counted
from widthwise.study.curves import AnyStudy

# A panel is logarithmic from so many nats on, where a run diverged, and goes down to so few.
LOGARITHMIC_FROM, LOWEST = 1e3, 0.01


def draw(
    study: AnyStudy,
    losses: pandas.DataFrame,
    features: pandas.DataFrame,
    verdicts: pandas.DataFrame,
    runs: pandas.DataFrame,
    printed: pandas.DataFrame | None = None,
) -> Figure:
    """Draws the objective against steps, one line per size, and the printed loss of each epoch if there is one.

    Each panel has its own scale: a circumstance that starts far above the others would press them flat. Where a run
    diverged it is logarithmic.
    """
    losses, runs = (table[table["circumstance"].isin(study.judged)] for table in (losses, runs))
    groups = same_circumstances(study, features)
    classes = classes_of(runs)
    figure, panels = panel_grid(len(groups))
    title(figure, tally(verdicts, [group[0] for group in groups], "objective"), study.heading)
    ends = {}
    for axes, group in zip(panels, groups, strict=True):
        rows = losses[losses["circumstance"] == group[0]]
        of_runs = runs[runs["circumstance"] == group[0]]
        title_panel(axes, study.titles(group), panel_finding(verdicts, of_runs, group[0]) if len(groups) > 1 else "")
        if rows.empty:
            axes.set_axis_off()
            continue
        lost = set(of_runs.loc[of_runs["diverged"], "parameters"])
        colours, last = size_colours(rows["parameters"]), int(rows["step"].max())
        ends[axes] = draw_curves(axes, rows, of_runs, "objective", size_labels(study))
        draw_starts(axes, starting_losses(features, group[0]), colours, last)
        if printed is not None:
            epochs = printed[(printed["circumstance"] == group[0]) & ~printed["parameters"].isin(lost)]
            draw_printed(axes, epochs, colours)
        guessing_line(axes, classes)
        highest = rows["objective"].max()
        if lost and highest > LOGARITHMIC_FROM:
            tick_log_ends(axes, max(rows["objective"].min(), LOWEST), highest, scientific)
        else:
            cut_far_above(axes, shown_ends(ends[axes]), classes)
        step_axis(axes, last)
        axes.set_xlim(left=-0.04 * last)
    columns = panels[0].get_subplotspec().get_gridspec().ncols
    for axes in panels[::columns]:
        axes.set_ylabel("reported loss (nats)")
    for axes in panels[-columns:]:
        axes.set_xlabel(study.step_name)
    note = f"{reported_loss_note(study)} {curve_note(runs, study.size_name)}"
    note += " Dashes left of 0: starts." + (" Each panel has its own scale." if len(groups) > 1 else "")
    has_printed = printed is not None and not printed.empty
    explain(figure, note, [*guessing_key(classes), *curve_key(losses, runs, printed=has_printed)])
    label_lines(figure, ends)
    return figure


def starting_losses(features: pandas.DataFrame, circumstance: str) -> pandas.Series:
    """Returns the mean starting loss of each size, by parameters."""
    rows = rows_with(features, circumstance=circumstance, measure="objective", feature="starting_loss")
    return rows.set_index("parameters")["mean"]


def scientific(tick: float) -> str:
    """Formats a tick over many decades: 0.1, 1000, 1e6."""
    return f"{tick:g}" if tick < 1e4 else f"{tick:.0e}".replace("e+0", "e").replace("e+", "e")


def reported_loss_note(study: AnyStudy) -> str:
    """Says what the reported loss is."""
    if study.curves and not study.has_parts:
        return "Reported loss: as the framework logs it."
    return "Reported loss: the objective, data loss + penalty."


def panel_finding(verdicts: pandas.DataFrame, runs: pandas.DataFrame, circumstance: str) -> str:
    """Says where the curves of a panel start and end, and how many of its runs diverged."""
    diverged = int(runs["diverged"].sum())
    finding = ", ".join(curve_words(verdicts, circumstance, "objective"))
    return finding + (f"; {diverged} of {counted(len(runs), 'run')} diverged" if diverged else "")
