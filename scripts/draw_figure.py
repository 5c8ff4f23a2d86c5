"""Draws one of the figures, from tables and arrays, and writes its caption.

A figure is a module of `widthwise.figures` with a function `draw(study, **inputs)`. Each input is a file, read by its
ending: .csv a table, .json a dictionary, .npz and .h5 arrays by name. The caption is the finding that the figure has as
its title, and the module's docstring.
"""

import argparse
import importlib
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy

from widthwise.analysis.tables import read_table
from widthwise.data.storage import map_arrays
from widthwise.figures import FIGURES
from widthwise.figures.layout import finding_of
from widthwise.figures.style import figure_style, save
from widthwise.files import atomic_write
from widthwise.study.curves import AnyStudy, read_study


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def read_npz(path: Path) -> dict[str, numpy.ndarray]:
    with numpy.load(path) as arrays:
        return dict(arrays)


def read_h5(path: Path) -> dict[str, numpy.ndarray]:
    with h5py.File(path, "r") as file:
        return map_arrays(file, path)


READERS = {".csv": read_table, ".json": read_json, ".npz": read_npz, ".h5": read_h5}


def named_path(text: str) -> tuple[str, Path]:
    """Splits name=PATH."""
    name, separator, path = text.partition("=")
    if not separator or Path(path).suffix not in READERS:
        raise argparse.ArgumentTypeError(f"{text}: write name=PATH, where PATH ends in {', '.join(READERS)}")
    return name, Path(path)


def read_inputs(figure: ModuleType, paths: dict[str, Path]) -> dict[str, Any]:
    """Reads the inputs of a figure. Raises ValueError if one is missing or unknown."""
    _, *parameters = inspect.signature(figure.draw).parameters.values()
    known = {parameter.name for parameter in parameters}
    missing = {parameter.name for parameter in parameters if parameter.default is parameter.empty} - set(paths)
    faults = [f"missing {name}" for name in sorted(missing)] + [
        f"unknown {name}" for name in sorted(set(paths) - known)
    ]
    if faults:
        raise ValueError(f"--inputs: {', '.join(faults)}; {figure.__name__} reads {', '.join(sorted(known))}")
    return {name: READERS[path.suffix](path) for name, path in paths.items()}


def draw_page(figure: ModuleType, study: AnyStudy, inputs: dict[str, Any], paths: list[Path]) -> None:
    """Draws one page of a figure into these files; .rst is its caption."""
    with figure_style():
        drawn = figure.draw(study, **inputs)
        finding = finding_of(drawn)
        caption = f"**{finding}{'' if finding.endswith('?') else '.'}**\n\n{figure.__doc__}"
        for path in (path for path in paths if path.suffix == ".rst"):
            with atomic_write(path) as aside:
                aside.write_text(caption, encoding="utf-8")
        save(drawn, [path for path in paths if path.suffix != ".rst"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FIGURES, help="the figure, a module of widthwise.figures")
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--inputs", type=named_path, nargs="+", required=True, help="name=PATH of each table or array")
    parser.add_argument(
        "--figures", type=Path, nargs="+", required=True, help="NAME.svg, .pdf, .png or .rst to write, or NAME_PAGE.*"
    )
    arguments = parser.parse_args()
    figure = importlib.import_module(f"widthwise.figures.{arguments.name}")
    inputs = read_inputs(figure, dict(arguments.inputs))
    study = read_study(arguments.study)
    pages: dict[str, list[Path]] = {}
    for path in arguments.figures:
        pages.setdefault(path.stem.removeprefix(arguments.name).removeprefix("_"), []).append(path)
    for page, paths in pages.items():
        draw_page(figure, study.on_page(page), inputs, paths)


if __name__ == "__main__":
    main()
