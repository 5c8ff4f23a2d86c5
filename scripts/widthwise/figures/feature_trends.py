"""Where loss curves start, how much they lose at first and where they end, against the number of parameters."""

from collections.abc import Sequence

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.figures.axes import guessing_key, guessing_line, panel_size, parameter_axis, tick_ends
from widthwise.figures.curves import DIVERGED
from widthwise.figures.findings import verdict_of, verdict_row
from widthwise.figures.layout import explain, identical, label_below, remark, row_grid, title, title_row
from widthwise.figures.style import MEASURE_STYLES
from widthwise.report.palette import VERDICT_LOOKS, verdict_look
from widthwise.report.wording import FEATURES, MEASURES, counted
from widthwise.study.plan import Study

COLUMNS = ("starting_loss", "initial_decay", "end_value")


def draw(study: Study, features: pandas.DataFrame, verdicts: pandas.DataFrame, runs: pandas.DataFrame) -> Figure:
    """Draws one row per circumstance and one column per feature; each panel has its own scale."""
    features, verdicts = (
        table[table["measure"].isin(MEASURE_STYLES) & table["feature"].isin(COLUMNS)] for table in (features, verdicts)
    )
    verdicts = verdicts.fillna({"slight": False})
    groups = identical(features, study.judged, ["measure", "feature", "size"], ["mean", "ci_low", "ci_high"])
    classes = int(runs["classes"].iloc[0])
    figure, rows = row_grid(len(groups), [FEATURES[feature] for feature in COLUMNS])
    title(figure, finding(verdicts, [group[0] for group in groups]))
    for row, group in zip(rows, groups, strict=True):
        of_circumstance = features[features["circumstance"] == group[0]]
        title_row(row, group, "nats")
        for axes, feature in zip(row, COLUMNS, strict=True):
            draw_feature(axes, of_circumstance[of_circumstance["feature"] == feature])
            if feature != "initial_decay":
                guessing_line(axes, classes)
            remark(axes, arrows(verdicts, group[0], feature, short=panel_size(axes)[0] < 2.5))
            tick_ends(axes, *axes.dataLim.intervaly, intervals=3)
            parameter_axis(axes, of_circumstance["parameters"])
    label_below(rows, "parameters")
    seeds = features.groupby("feature")["seeds"].max()
    note = (
        f"Mean and 95% t interval over {counted(seeds['end_value'], 'seed')}; start: over "
        f"{counted(seeds['starting_loss'], 'initialisation')}. Each panel has its own scale. {arrow_note(verdicts)}"
    )
    diverged = [pyplot.Line2D([], [], **DIVERGED, label="a run of this size diverged")]
    explain(figure, note, [*measure_key(), guessing_key(classes), *(diverged if features["mean"].isna().any() else [])])
    return figure


def draw_feature(axes: Axes, features: pandas.DataFrame) -> None:
    """Draws one feature in one circumstance: one line per measure."""
    for measure, style in MEASURE_STYLES.items():
        means = features[features["measure"] == measure].sort_values("parameters")
        errors = [means["mean"] - means["ci_low"], means["ci_high"] - means["mean"]]
        axes.errorbar(means["parameters"], means["mean"], yerr=errors, capsize=2, elinewidth=0.8, **style)
    lost = features.loc[features["mean"].isna(), "parameters"]
    axes.plot(lost, [0.95] * len(lost), transform=axes.get_xaxis_transform(), **DIVERGED)


def finding(verdicts: pandas.DataFrame, circumstances: Sequence[str]) -> str:
    """Says in how many circumstances each loss ends higher with more parameters."""
    higher = {
        measure: sum(verdict_of(verdicts, name, measure, "end_value") == "rises" for name in circumstances)
        for measure in MEASURE_STYLES
    }
    of_all = counted(len(circumstances), "circumstance")
    return (
        f"With more parameters the reported loss ends higher in {higher['objective'] or 'none'} of {of_all}, "
        f"the data loss in {higher['data_loss'] or 'none'}"
    )


def arrows(verdicts: pandas.DataFrame, circumstance: str, feature: str, *, short: bool) -> str:
    """Returns the verdicts of both measures as arrows: "reported loss ↑, data loss →"."""
    found = []
    for measure in MEASURE_STYLES:
        row = verdict_row(verdicts, circumstance, measure, feature)
        if row is not None:
            name = MEASURES[measure].removesuffix(" loss" if short else "")
            found.append(f"{name} {verdict_look(row['verdict'], slight=row['slight'])[0]}")
    return ", ".join(found)


def arrow_note(verdicts: pandas.DataFrame) -> str:
    """Says what the arrows that occur stand for."""
    decided = verdicts[~verdicts["slight"]]["verdict"].unique()
    slight = verdicts[verdicts["slight"]]["verdict"].unique()
    words = [f"{VERDICT_LOOKS[verdict][0]} {verdict}" for verdict in VERDICT_LOOKS if verdict in decided]
    words += [f"{verdict_look(verdict, slight=True)[0]} slightly {verdict}" for verdict in sorted(slight)]
    return "With more parameters: " + ", ".join(words) + "."


def measure_key() -> Sequence[pyplot.Line2D]:
    """Returns the key of the two measures."""
    return [pyplot.Line2D([], [], label=MEASURES[measure], **style) for measure, style in MEASURE_STYLES.items()]
