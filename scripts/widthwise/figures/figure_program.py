"""The command line that every figure drawn from tables has: tables in, one figure out in three formats.

It must not know what a figure shows.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from widthwise.analysis.tables import read_table
from widthwise.figures.style import figure_style, save


def draw_from_tables(
    description: str,
    draw: Callable[..., Figure],
    tables: Sequence[str],
    *,
    lists: Sequence[str] = (),
    objects: Sequence[str] = (),
) -> None:
    """Reads the command line, calls `draw` with a keyword for each table, list and object, saves what it returns.

    `tables` are CSV files, `lists` names in a row, `objects` JSON.
    """
    parser = argparse.ArgumentParser(description=description)
    for name in tables:
        parser.add_argument(
            f"--{name}",
            type=lambda path: read_table(Path(path)),
            required=True,
            help=f"CSV table of the study's {name}",
        )
    for name in lists:
        parser.add_argument(f"--{name}", nargs="+", required=True, help=f"{name} to draw, by name, in order")
    for name in objects:
        parser.add_argument(
            f"--{name}", type=json.loads, required=True, help=f"{name} to draw, in JSON: each with its circumstances"
        )
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help=".svg, .pdf, .png to write: any")
    arguments = parser.parse_args()
    with figure_style():
        figure = draw(**{name: getattr(arguments, name) for name in (*tables, *lists, *objects)})
        save(figure, arguments.figures)
