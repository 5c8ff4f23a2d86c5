"""Where things stand in a figure: panels, their titles, the note and the key."""

import textwrap
from collections.abc import Sequence

import numpy
from matplotlib import pyplot
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.figures.axes import panel_size
from widthwise.figures.style import GREY, SMALL
from widthwise.report.wording import capitalised, uncapitalised

# Inches. At this width text of 8 points is readable on a page; the height is a screen and a half. A README's column is
# narrower, and would shrink a wider figure.
WIDTH, README_WIDTH, MOST_HEIGHT = 10.0, 8.6, 13.5
AROUND_PANELS = 1.5  # height of the figure's title, note and key
SMALL_CHARACTERS, BOLD_CHARACTERS = 16, 13  # per inch
LOW_PANEL = 1.7  # height of a panel that is low
NAME_CHARACTERS = 24  # of a table's row


def panel_grid(count: int, *, most_columns: int = 3, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """Makes a figure of `count` panels in a grid, never higher than a screen and a half.

    Args:
        count: number of panels.
        most_columns: columns to use while panels are not low; more panels take more columns.
        height: of a panel, in inches, where there is room.

    Returns:
        The figure and its panels, row by row.
    """
    room = MOST_HEIGHT - AROUND_PANELS
    columns = 2 if count == 4 else min(count, most_columns)
    while -(-count // columns) * LOW_PANEL > room and columns < 6:
        columns += 1
    rows = -(-count // columns)
    size = WIDTH * (0.65 if columns == 1 else 1), min(height * rows, room) + AROUND_PANELS
    figure, grid = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:count])


def row_grid(
    count: int, columns: Sequence[str], *, height: float = 2.0, width: float = WIDTH, share_rows: bool = False
) -> tuple[Figure, list[list[Axes]]]:
    """Makes a figure of `count` rows of panels; many rows stand in blocks beside each other.

    Args:
        count: number of rows.
        columns: the headings of a row's panels.
        height: of a row, in inches, where there is room.
        width: of the figure, in inches; blocks of rows take all the width there is.
        share_rows: whether the panels of a row have one vertical scale.

    Returns:
        The figure and its rows of panels.
    """
    room = MOST_HEIGHT - AROUND_PANELS
    blocks = 1 if count * 1.5 <= room else 2
    rows = -(-count // blocks)
    figure, grid = pyplot.subplots(
        rows,
        blocks * len(columns),
        figsize=(width if blocks == 1 else WIDTH, min(height * rows, room) + AROUND_PANELS),
        squeeze=False,
        layout="constrained",
    )
    for axes, heading in zip(grid[0], [*columns] * blocks, strict=True):
        axes.annotate(heading, (0.5, 1), (0, 20), "axes fraction", "offset points", ha="center", fontweight="bold")
    found = [list(row) for part in numpy.hsplit(grid, blocks) for row in part]
    for axes in (axes for row in found[count:] for axes in row):
        axes.set_axis_off()
    for row in found if share_rows else []:
        for axes in row[1:]:
            axes.sharey(row[0])
            axes.tick_params(labelleft=False)
    return figure, found[:count]


def title(figure: Figure, finding: str, heading: str = "") -> None:
    """Writes what the figure shows above it, after the heading of a page, in lines as wide as the figure."""
    text = f"{capitalised(heading)}: {uncapitalised(finding)}" if heading else finding
    figure.suptitle(fill_evenly(text, int(10.5 * figure.get_size_inches()[0])))


def fill_evenly(text: str, width: int) -> str:
    """Breaks a text into as few lines as the width allows, of about the same length."""
    lines, longest_word = len(textwrap.wrap(text, width)), max(map(len, text.split()))
    widths = range(min(longest_word, width), width + 1)
    return textwrap.fill(text, next(narrow for narrow in widths if len(textwrap.wrap(text, narrow)) <= lines))


def finding_of(figure: Figure) -> str:
    """Returns the title in one line."""
    return " ".join(figure.get_suptitle().split())


def title_panel(axes: Axes, titles: Sequence[str], finding: str = "") -> None:
    """Writes the titles of a panel's circumstances in bold, and below them what the panel shows."""
    width = panel_size(axes)[0] - 0.6
    below = textwrap.fill(finding, int(SMALL_CHARACTERS * width))
    lines = len(below.splitlines())
    above = textwrap.fill(" = ".join(titles), int(BOLD_CHARACTERS * width))
    axes.set_title(above, loc="left", fontweight="bold", pad=5 + 10.5 * lines)
    axes.annotate(below, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=SMALL, color=GREY, va="bottom")


def label_below(rows: Sequence[Sequence[Axes]], text: str) -> None:
    """Labels the horizontal axes of the lowest panels of a `row_grid`."""
    for row in rows:
        if row is rows[-1] or row[0].get_subplotspec().is_last_row():
            for axes in row:
                axes.set_xlabel(text)


def remark(axes: Axes, text: str) -> None:
    """Writes a small remark above a panel."""
    axes.set_title(text, fontsize=SMALL, color=GREY, loc="right", pad=4)


def title_row(row: Sequence[Axes], titles: Sequence[str], unit: str) -> None:
    """Writes the titles of a row's circumstances beside its first panel, with the unit of the vertical axes."""
    height = panel_size(row[0])[1]
    text = fill_evenly(" = ".join(titles), max(13, int(15 * (height - 0.2))))
    row[0].set_ylabel(f"{text}\n({unit})", fontsize=SMALL)


def key_beside(axes: Axes, handles: Sequence[Artist]) -> None:
    """Writes the key of one panel to its right."""
    for handle in handles:
        handle.set_label(textwrap.fill(str(handle.get_label()), NAME_CHARACTERS))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5))


def name_rows(axes: Axes, names: Sequence[str], above: Sequence[float] | float = 0) -> list[tuple[float, float]]:
    """Names the rows of a table, from the top down; returns where each begins, and how high it is.

    A row is 1 high, or as high as its name needs. `above` is the free room above each row.
    """
    heights = numpy.array(row_heights(names))
    tops = numpy.cumsum(heights + above) - heights
    axes.set_yticks(tops + heights / 2, [fill_evenly(name, NAME_CHARACTERS) for name in names])
    axes.set(ylim=(tops[-1] + heights[-1] + 0.02, 0), xticks=[])
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return list(zip(tops.tolist(), heights.tolist(), strict=True))


def row_heights(names: Sequence[str]) -> list[float]:
    """Returns how high the rows of a table are: 1, or more if the name of the row needs it."""
    return [max(1.0, 0.33 * len(textwrap.wrap(name, NAME_CHARACTERS)) + 0.1) for name in names]


def explain(figure: Figure, text: str, handles: Sequence[Artist] = ()) -> None:
    """Writes a note and the key below the figure; to be called once.

    Args:
        figure: the figure.
        text: what lines, bands and marks stand for.
        handles: labelled artists for the key.
    """
    characters = int(SMALL_CHARACTERS * figure.get_size_inches()[0])
    longest = max((len(str(handle.get_label())) for handle in handles), default=1) + 10
    legend = figure.legend(
        handles=handles,
        title=textwrap.fill(text, characters),
        title_fontproperties={"size": SMALL},
        alignment="left",
        loc="outside lower center",
        ncols=max(1, min(len(handles), characters // longest)),
    )
    legend.get_title().set_color(GREY)
