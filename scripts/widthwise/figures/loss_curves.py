"""The question's own figure: the reported loss of ever larger networks as they train, one panel per circumstance."""

import pandas
from matplotlib.figure import Figure

from widthwise.figures.axes import cut_far_above, guessing_key, guessing_line, step_axis
from widthwise.figures.curves import curve_key, curve_note, draw_curves, draw_printed, shown_ends
from widthwise.figures.findings import curve_finding, tally
from widthwise.figures.labels import label_lines
from widthwise.figures.layout import explain, identical, panel_grid, title, title_panel
from widthwise.report.palette import size_colours
from widthwise.report.wording import counted
from widthwise.study.plan import Study


def draw(
    study: Study,
    losses: pandas.DataFrame,
    printed: pandas.DataFrame,
    verdicts: pandas.DataFrame,
    runs: pandas.DataFrame,
) -> Figure:
    """Draws the objective against steps, one line per size, and the printed loss of each epoch.

    Each panel has its own scale: a circumstance that starts far above the others would press them flat.
    """
    losses = losses[losses["circumstance"].isin(study.judged)]
    groups = identical(losses, study.judged, ["size", "seed", "step"], ["objective"])
    seeds, classes = len(study.seeds), int(runs["classes"].iloc[0])
    figure, panels = panel_grid(len(groups))
    title(figure, tally(verdicts, [group[0] for group in groups], "objective"))
    ends = {}
    for axes, group in zip(panels, groups, strict=True):
        rows, epochs = (table[table["circumstance"] == group[0]] for table in (losses, printed))
        title_panel(axes, group, panel_finding(verdicts, runs, group[0]) if len(groups) > 1 else "")
        if rows.empty:
            axes.set_axis_off()
            continue
        ends[axes] = draw_curves(axes, rows, "objective", seeds)
        draw_printed(axes, epochs, size_colours(rows["parameters"]), seeds)
        guessing_line(axes, classes)
        cut_far_above(axes, shown_ends(ends[axes]), classes)
        step_axis(axes, rows["step"].max())
    columns = panels[0].get_subplotspec().get_gridspec().ncols
    for axes in panels[::columns]:
        axes.set_ylabel("reported loss (nats)")
    for axes in panels[-columns:]:
        axes.set_xlabel("step")
    note = f"Reported loss: the objective, data loss + penalty. {curve_note(seeds)} Each panel has its own scale."
    explain(figure, note, [guessing_key(classes), *curve_key(losses, seeds, printed=not printed.empty)])
    label_lines(figure, ends)
    return figure


def panel_finding(verdicts: pandas.DataFrame, runs: pandas.DataFrame, circumstance: str) -> str:
    """Says where the curves of a panel start and end, and how many runs diverged."""
    of_circumstance = runs[runs["circumstance"] == circumstance]
    diverged = int(of_circumstance["diverged"].sum())
    finding = curve_finding(verdicts, circumstance, "objective")
    return finding + (f"; {diverged} of {counted(len(of_circumstance), 'run')} diverged" if diverged else "")
