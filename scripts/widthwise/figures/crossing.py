"""In how many seeds the loss of a larger network comes to lie below that of a smaller one and stays there, and the
median step from which on.

Dark cells: many seeds. A light cell does not mean never: curves that still fall at the end may cross later. The step is
written where more than half of the seeds cross: the median counts the others as later than any step.
"""

import numpy
import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.features import CROSSING_MARGIN, CROSSING_SHARE
from widthwise.figures.axes import size_labels
from widthwise.figures.findings import in_brackets
from widthwise.figures.layout import (
    AROUND_PANELS,
    MOST_HEIGHT,
    WIDTH,
    explain,
    name_rows,
    row_heights,
    title,
)
from widthwise.figures.style import GREY, SMALL
from widthwise.report.wording import MEASURES, capitalised
from widthwise.study.curves import AnyStudy

SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#08519c"])
GAP = 0.15  # before the largest over the smallest
MEASURE_GAP = 0.5
MOST_COLUMNS = 21  # of which labels do not overlap
LARGEST, FOR_GOOD = "the largest network's reported loss", "below the smallest's for good"


def draw(study: AnyStudy, crossings: pandas.DataFrame, features: pandas.DataFrame) -> Figure:
    """Draws a block for each set of sizes: one row per circumstance, one column per pair of sizes and measure."""
    crossings = crossings[crossings["circumstance"].isin(study.judged)]
    too_many = crossings.groupby("circumstance")["pair"].transform("size") > MOST_COLUMNS
    crossings = crossings[~too_many | (crossings["pair"] == "extremes")]
    groups = same_circumstances(study, features)
    blocks = blocks_of(crossings, groups)
    names = [[", ".join(study.titles(group)) for group in block] for block in blocks]
    heights = [sum(row_heights(rows)) for rows in names]
    height = min(0.45 * sum(heights) + 0.75 * len(blocks), MOST_HEIGHT - AROUND_PANELS) + AROUND_PANELS
    figure, panels = pyplot.subplots(
        len(blocks),
        1,
        figsize=(WIDTH, height),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    title(figure, finding(study, crossings, groups))
    for axes, block, rows in zip(panels.flat, blocks, names, strict=True):
        places = zip(block, name_rows(axes, rows), strict=True)
        draw_block(axes, study, crossings, list(places))
    explain(figure, note(study, crossings, only_extremes=too_many.any()), key(crossings))
    return figure


def note(study: AnyStudy, crossings: pandas.DataFrame, *, only_extremes: bool) -> str:
    """Says what the numbers that occur stand for."""
    text = (
        f"In how many seeds the larger network's loss, averaged over {CROSSING_SHARE:.0%} of the run, falls at least "
        f"{CROSSING_MARGIN} nats below the smaller one's and stays there to the end"
    )
    if numpy.isfinite(crossings["median_crossing"]).any():
        text += f"; below it, if more than half cross, the median {study.step_name} from which on"
    return f"{text}. Of many sizes, only the largest and the smallest are compared." if only_extremes else f"{text}."


def key(crossings: pandas.DataFrame) -> list[Patch]:
    """Returns the keys of the shades that occur."""
    shares = crossings["crossed"] / crossings["seeds"]
    shades = (
        (0, "in no seed", shares == 0),
        (0.5, "in some seeds", (shares > 0) & (shares < 1)),
        (1, "in every seed", shares == 1),
    )
    return [
        Patch(facecolor=SHARES(0.85 * share), edgecolor="#cccccc", label=words)
        for share, words, occurs in shades
        if occurs.any()
    ]


def blocks_of(crossings: pandas.DataFrame, groups: list[list[str]]) -> list[list[list[str]]]:
    """Gathers the groups of circumstances that have the same sizes."""
    by_sizes: dict[tuple, list[list[str]]] = {}
    for group in groups:
        pairs = crossings.loc[crossings["circumstance"] == group[0], ["smaller", "larger"]]
        by_sizes.setdefault(tuple(pairs.itertuples(index=False, name=None)), []).append(group)
    return list(by_sizes.values())


def draw_block(
    axes: Axes, study: AnyStudy, crossings: pandas.DataFrame, block: list[tuple[list[str], tuple[float, float]]]
) -> None:
    """Draws the circumstances of one set of sizes, each with where its row begins and how high it is.

    Where the reported loss holds no penalty it is the data loss, which is said instead of drawing it twice.
    """
    label = size_labels(study)
    first = crossings[crossings["circumstance"] == block[0][0][0]]
    columns, middles, left = {}, {}, 0.0
    for measure in [measure for measure in MEASURES if measure in set(first["measure"])]:
        start = left
        for pair, smaller, larger in first.loc[first["measure"] == measure, ["pair", "smaller", "larger"]].to_numpy():
            left += GAP * (pair == "extremes" and left > start)
            columns[measure, smaller, larger, pair] = left
            left += 1
        middles[measure] = (start + left) / 2
        axes.annotate(
            MEASURES[measure],
            (middles[measure], 0),
            (0, 40),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
        )
        left += MEASURE_GAP
    for group, row in block:
        is_same = "data_loss" in middles and not study.circumstances[group[0]].reports_penalty
        if is_same:
            same = {"ha": "center", "va": "center", "fontsize": SMALL, "color": GREY}
            axes.text(middles["objective"], row[0] + row[1] / 2, "= data loss", **same)
        for found in crossings[crossings["circumstance"] == group[0]].to_dict("records"):
            if found["measure"] == "objective" and is_same:
                continue
            draw_cell(axes, columns[found["measure"], found["smaller"], found["larger"], found["pair"]], row, found)
    for (_, smaller, larger, _), position in columns.items():
        words = f"{label(larger)}\nbelow\n{label(smaller)}"
        axes.annotate(words, (position + 0.5, 0), (0, 3), textcoords="offset points", ha="center", fontsize=SMALL)
    axes.set_xlim(-0.02, left - MEASURE_GAP + 0.02)


def draw_cell(axes: Axes, left: float, row: tuple[float, float], found: dict) -> None:
    """Draws in how many seeds one pair crosses, and from which step on."""
    top, height = row
    share = found["crossed"] / found["seeds"]
    axes.add_patch(
        Rectangle((left, top), 1, height, facecolor=SHARES(0.85 * share), edgecolor="#cccccc", linewidth=0.6)
    )
    text = f"{found['crossed']}/{found['seeds']}"
    if numpy.isfinite(found["median_crossing"]):
        text += f"\n{found['median_crossing']:.0f}"
    ink = "white" if share > 0.9 else "black"
    axes.text(left + 0.5, top + height / 2, text, ha="center", va="center", fontsize=SMALL, color=ink)


def finding(study: AnyStudy, crossings: pandas.DataFrame, groups: list[list[str]]) -> str:
    """Says in how many circumstances, or seeds of one, the largest network's loss comes to lie below the smallest's."""
    extremes = crossings[(crossings["pair"] == "extremes") & (crossings["measure"] == "objective")]
    always = extremes.loc[extremes["crossed"] == extremes["seeds"], "circumstance"]
    names = [group[0] for group in groups if group[0] in set(always)]
    if len(groups) > 1:
        of_all = f"{len(groups)} circumstances{in_brackets(study, names)}"
        return f"{crosses_in(len(names), of_all)} in every seed"
    crossed, seeds = extremes[["crossed", "seeds"]].iloc[0]
    if seeds > 1:
        return crosses_in(crossed, f"{seeds} seeds")
    return f"{capitalised(LARGEST)} {'falls' if crossed else 'does not fall'} {FOR_GOOD}"


def crosses_in(count: int, of_all: str) -> str:
    """Says in how many of several seeds or circumstances the largest network crosses below the smallest."""
    if count == 0:
        return f"In none of {of_all} does {LARGEST} fall {FOR_GOOD}"
    return f"In {count} of {of_all} {LARGEST} falls {FOR_GOOD}"
