"""Where the curves start, how much they lose at first and where they end, against the number of parameters.

Where reported loss and data loss part, the penalty parts them. The end is where training stopped, which need not be
where the loss settles.
"""

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.tables import classes_of
from widthwise.figures.axes import far_below_note, guessing_key, log_axis, loss_limits, panel_size, size_labels
from widthwise.figures.curves import DIVERGED
from widthwise.figures.findings import ONE_SEED, ends_finding, verdict_row
from widthwise.figures.layout import explain, label_below, remark, row_grid, title, title_row
from widthwise.figures.style import MEASURE_STYLES
from widthwise.report.palette import VERDICT_LOOKS, verdict_look
from widthwise.report.wording import FEATURES, MEASURES, counted
from widthwise.study.curves import AnyStudy

COLUMNS = ("starting_loss", "initial_decay", "end_value")
NO_BREAK = "\N{NO-BREAK SPACE}"


def draw(study: AnyStudy, features: pandas.DataFrame, verdicts: pandas.DataFrame, runs: pandas.DataFrame) -> Figure:
    """Draws one row per circumstance and one column per feature; each panel has its own scale.

    Features that the study does not have are left out.
    """
    groups = same_circumstances(study, features)
    features, verdicts = (
        table[
            table["circumstance"].isin(study.judged)
            & table["measure"].isin(MEASURE_STYLES)
            & table["feature"].isin(COLUMNS)
        ]
        for table in (features, verdicts)
    )
    verdicts = verdicts.fillna({"slight": False})
    classes = classes_of(runs)
    columns = [feature for feature in COLUMNS if feature in set(features["feature"])]
    measures = [measure for measure in MEASURE_STYLES if measure in set(features["measure"])]
    headings = dict(FEATURES)
    if study.step_name == "step":  # of epochs it is the second row
        headings["initial_decay"] += f" ({counted(study.analysis.decay_step, 'step')})"
    figure, rows = row_grid(len(groups), [headings[feature] for feature in columns])
    finding = (
        ends_finding(study, verdicts, [group[0] for group in groups]) or "Where the curves start and end, against size"
    )
    title(figure, finding, study.heading)
    outside = []
    for row, group in zip(rows, groups, strict=True):
        of_circumstance = features[features["circumstance"] == group[0]]
        title_row(row, study.titles(group), "nats")
        for axes, feature in zip(row, columns, strict=True):
            draw_feature(axes, of_circumstance[of_circumstance["feature"] == feature])
            if feature == "initial_decay":
                loss_limits(axes, None, intervals=3, signed=True)
            else:
                outside.append(loss_limits(axes, classes, intervals=3))
            remark(axes, arrows(verdicts, group[0], feature, short=panel_size(axes)[0] < 2.5))
            log_axis(axes, of_circumstance["parameters"], size_labels(study))
    label_below(rows, study.size_name)
    note = f"{interval_note(study, features)} Each panel has its own scale.{far_below_note(classes, outside)}"
    note = f"{note} {arrow_note(verdicts)}".rstrip()
    handles = [pyplot.Line2D([], [], label=MEASURES[measure], **MEASURE_STYLES[measure]) for measure in measures]
    handles += guessing_key(classes, outside)
    if features["mean"].isna().any():
        handles.append(pyplot.Line2D([], [], **DIVERGED, label="a run of this size diverged"))
    explain(figure, note, handles)
    return figure


def interval_note(study: AnyStudy, features: pandas.DataFrame) -> str:
    """Says what points and bars are."""
    seeds = features.groupby("feature")["seeds"].max()
    over_seeds = counted(seeds["end_value"], "seed")
    if seeds["end_value"] == 1:
        return ONE_SEED
    if study.curves:
        return f"Mean and 95% t interval over {over_seeds}; start: each curve's first row."
    replicate = "backbone" if study.heads_per_backbone > 1 else "initialisation"
    return f"Mean and 95% t interval over {over_seeds}; start: over {counted(seeds['starting_loss'], replicate)}."


def draw_feature(axes: Axes, features: pandas.DataFrame) -> None:
    """Draws one feature in one circumstance: one line per measure."""
    for measure, style in MEASURE_STYLES.items():
        means = features[features["measure"] == measure].sort_values("parameters")
        if means.empty:
            continue
        errors = [means["mean"] - means["ci_low"], means["ci_high"] - means["mean"]]
        axes.errorbar(means["parameters"], means["mean"], yerr=errors, capsize=2, elinewidth=0.8, **style)
    lost = features.loc[features["mean"].isna(), "parameters"]
    axes.plot(lost, [0.95] * len(lost), transform=axes.get_xaxis_transform(), **DIVERGED)


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
    words = [text.replace(" ", NO_BREAK) for text in words]
    return f"In larger networks: {', '.join(words)}." if words else ""
