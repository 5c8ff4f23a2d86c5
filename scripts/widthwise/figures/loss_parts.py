"""Reported loss = data loss + penalty, one row for each circumstance whose reported loss holds a penalty.

The three panels of a row have one scale. Where sizes differ in the reported loss and in the penalty, but not in the
data loss, the difference is penalty. This is arithmetic: it does not say why the penalty is large.
"""

import pandas
from matplotlib.figure import Figure

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.tables import classes_of
from widthwise.figures.axes import cut_far_above, guessing_key, guessing_line, size_labels, step_axis
from widthwise.figures.curves import curve_key, curve_note, draw_curves, shown_ends
from widthwise.figures.labels import label_lines
from widthwise.figures.layout import README_WIDTH, explain, label_below, remark, row_grid, title, title_row
from widthwise.report.wording import listed, number
from widthwise.study.curves import AnyStudy

COLUMNS = {"objective": "reported loss", "data_loss": "= data loss", "penalty": "+ penalty"}


def draw(study: AnyStudy, losses: pandas.DataFrame, features: pandas.DataFrame, runs: pandas.DataFrame) -> Figure:
    """Draws one row per circumstance whose reported loss holds a penalty; its three panels have one scale."""
    shown = [group for group in same_circumstances(study, features) if study.circumstances[group[0]].reports_penalty]
    if not shown:
        raise ValueError("no circumstance's reported loss holds a penalty: there are no parts to draw")
    without = [study.title(name) for name in study.judged if not study.circumstances[name].reports_penalty]
    ends = largest_ends(features, [group[0] for group in shown])
    losses, runs = (table[table["circumstance"].isin(ends.index)] for table in (losses, runs))
    classes = classes_of(runs)
    figure, rows = row_grid(len(shown), list(COLUMNS.values()), width=README_WIDTH, share_rows=True)
    title(figure, finding(study, ends), study.heading)
    labels = {}
    for row, group in zip(rows, shown, strict=True):
        of_circumstance, of_runs = (table[table["circumstance"] == group[0]] for table in (losses, runs))
        title_row(row, study.titles(group), "nats")
        remark(row[-1], end_words(*ends.loc[group[0]]))
        for axes in row[:-1]:
            guessing_line(axes, classes)
        lines = [
            draw_curves(axes, of_circumstance, of_runs, measure, size_labels(study))
            for axes, measure in zip(row, COLUMNS, strict=True)
        ]
        labels[row[-1]] = lines[-1]
        cut_far_above(row[0], shown_ends(lines[0]), classes, from_zero=True)
        for axes in row:
            step_axis(axes, of_circumstance["step"].max())
    label_below(rows, study.step_name)
    note = curve_note(runs, study.size_name) + (f" No penalty, so no row: {listed(without)}." if without else "")
    explain(figure, note, [*guessing_key(classes), *curve_key(losses, runs)])
    label_lines(figure, labels)
    return figure


def largest_ends(features: pandas.DataFrame, circumstances: list[str]) -> pandas.DataFrame:
    """Returns the mean end of the largest size: columns `objective` and `data_loss`, indexed by circumstance."""
    ends = features[(features["feature"] == "end_value") & features["circumstance"].isin(circumstances)]
    largest = ends[ends["parameters"] == ends.groupby("circumstance")["parameters"].transform("max")]
    means = largest.pivot(index="circumstance", columns="measure", values="mean")
    return means.reindex(circumstances)[["objective", "data_loss"]]


def end_words(objective: float, data_loss: float) -> str:
    """Says how much penalty is left; nothing where a run of the largest size diverged."""
    if pandas.isna(objective):
        return ""
    return f"{number(objective - data_loss, 2)} of the largest network's {number(objective, 2)} nats at the end"


def finding(study: AnyStudy, ends: pandas.DataFrame) -> str:
    """Says where the penalty is the largest part of the largest network's reported loss."""
    penalties = (ends["objective"] - ends["data_loss"]).dropna()
    if penalties.empty:
        return "The reported loss and its two parts as ever larger networks train"
    name = penalties.idxmax()
    where = f" ({study.title(name)})" if len(ends) > 1 else ""
    return f"{end_words(*ends.loc[name])} is penalty{where}"
