"""How much the first steps change the outputs of each layer, against width.

A power of 0 means that one learning rate changes wide and narrow networks alike; a power above 0 means that it changes
wide ones more. It covers the first steps only, and does not say which width ends lower.
"""

from collections.abc import Sequence

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.figures.axes import log_axis, tick_ends, tick_log_ends
from widthwise.figures.layout import explain, label_below, remark, row_grid, title, title_row
from widthwise.report.wording import counted, listed, number, rate_label
from widthwise.study.plan import Study

LOGITS = "logits"
MARKS = {"marker": "o", "markersize": 4, "linestyle": "none", "color": "#000000"}
FIRST, LAST = MARKS | {"markerfacecolor": "white"}, MARKS


def draw(study: Study, coordinates: pandas.DataFrame, coordinate_powers: pandas.DataFrame) -> Figure:
    """Draws one row per circumstance: the logits' change against width, and the power of width of every layer."""
    known = coordinate_powers.dropna(subset="power")
    if known.empty:
        raise ValueError("no change has a power of width: measure the first steps at two widths or more")
    circumstances, steps = list(known["circumstance"].unique()), sorted(known["step"].unique())
    looks = {steps[0]: FIRST, steps[-1]: LAST}
    figure, rows = row_grid(len(circumstances), ["change of the logits", "power of width, layer by layer"], height=2.6)
    title(figure, finding(study, coordinate_powers, steps[0]))
    for row, circumstance in zip(rows, circumstances, strict=True):
        changes, powers = (table[table["circumstance"] == circumstance] for table in (coordinates, known))
        draw_changes(row[0], changes[changes["layer"] == LOGITS], looks)
        draw_powers(row[1], powers, list(coordinate_powers["layer"].unique()), looks)
        title_row(row, study.titles([circumstance]), "root mean square")
        remark(row[0], f"after {counted(steps[0], 'step')}: {growth(powers, steps[0])}")
        row[1].set_ylabel("power of width")
    scale(rows, coordinates[coordinates["layer"] == LOGITS], known)
    label_below([row[:1] for row in rows], "width")
    label_below([row[1:] for row in rows], "layer")
    seeds = counted(coordinate_powers["seeds"].max(), "seed")
    explain(
        figure,
        f"All at a learning rate of {check_rate(study)}, whatever the circumstance trains at. Left: each of {seeds}. "
        f"Right: the power of width that the change goes with, and its 95% interval over {seeds}; at 0 (line) a step "
        f"changes all widths alike.{zero_head_note(known)}",
        [pyplot.Line2D([], [], **look, label=f"after {counted(step, 'step')}") for step, look in looks.items()],
    )
    return figure


def zero_head_note(powers: pandas.DataFrame) -> str:
    """Says why the first step changes the logits alone, where a head of zeros lets no gradient through."""
    first, later = (
        set(powers.loc[powers["step"] == step, "layer"]) for step in (powers["step"].min(), powers["step"].max())
    )
    return (
        " The first step changes the logits alone: a head of zeros lets no gradient through."
        if first == {LOGITS} != later
        else ""
    )


def draw_changes(axes: Axes, logits: pandas.DataFrame, looks: dict[int, dict]) -> None:
    """Draws the change of the logits against width: one mark per seed and step."""
    for step, look in looks.items():
        rows = logits[(logits["step"] == step) & (logits["rms_change"] > 0)]
        axes.plot(rows["width"], rows["rms_change"], **look)
    log_axis(axes, logits["width"], str)


def draw_powers(axes: Axes, powers: pandas.DataFrame, layers: list[str], looks: dict[int, dict]) -> None:
    """Draws the power of width of each layer's change, in the order of the layers."""
    for place, (step, look) in enumerate(looks.items()):
        rows = powers[powers["step"] == step].set_index("layer").reindex(layers)
        at = [layer + 0.16 * (place - 0.5) for layer in range(len(layers))]
        errors = [rows["power"] - rows["ci_low"], rows["ci_high"] - rows["power"]]
        axes.errorbar(at, rows["power"], yerr=errors, elinewidth=0.8, **look)
    axes.axhline(0, color="#777777", linewidth=0.8)
    axes.set_xticks([0, len(layers) - 1], ["first convolution", "logits"])


def scale(rows: Sequence[Sequence[Axes]], logits: pandas.DataFrame, powers: pandas.DataFrame) -> None:
    """Gives all circumstances the same vertical scales, so that they compare."""
    changes = logits.loc[logits["rms_change"] > 0, "rms_change"]
    low, high = min(0, powers["ci_low"].min()), max(0, powers["ci_high"].max())
    for left, right in rows:
        tick_log_ends(left, changes.min(), changes.max())
        tick_ends(right, low, high)


def logits_power(powers: pandas.DataFrame, step: int) -> pandas.DataFrame:
    """Returns the powers of the logits' change after one of the steps, where they are known."""
    return powers[(powers["layer"] == LOGITS) & (powers["step"] == step)].dropna(subset="power")


def growth(powers: pandas.DataFrame, step: int) -> str:
    """Says how the logits' change goes with width: "width^0.90 [0.80, 1.00]"."""
    logits = logits_power(powers, step)
    if logits.empty:
        return "no power of width"
    row = logits.iloc[0]
    return f"width^{number(row['power'], 2)} [{number(row['ci_low'], 2)}, {number(row['ci_high'], 2)}]"


def finding(study: Study, powers: pandas.DataFrame, step: int) -> str:
    """Says how the logits' change grows with width; of more than three circumstances, in the two extremes."""
    logits = logits_power(powers, step)
    if logits.empty:
        return "How much a step changes each layer's output, by width"
    if len(logits) > 3:
        logits = logits.loc[[logits["power"].idxmin(), logits["power"].idxmax()]]
    found = [
        f"width^{number(row['power'], 2)} ({study.title(row['circumstance'])})" for row in logits.to_dict("records")
    ]
    after = f"After {counted(step, 'step')} at {check_rate(study)}"
    return f"{after} the logits have changed in proportion to {listed(found)}"


def check_rate(study: Study) -> str:
    """Formats the learning rate of the check, which is not the circumstances' own."""
    return rate_label(study.config["analysis"]["coordinate_check"]["learning_rate"])
