"""Draws one of the figures, from tables and arrays.

A figure is a module of `widthwise.figures` with a function `draw(study, **inputs)`. Each input is a file, read by its
ending: .csv a table, .json a dictionary, .npz and .h5 arrays by name.
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
from widthwise.figures.style import figure_style, save
from widthwise.study.curves import read_study


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FIGURES, help="the figure, a module of widthwise.figures")
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--inputs", type=named_path, nargs="+", required=True, help="name=PATH of each table or array")
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help=".svg, .pdf, .png to write: any")
    arguments = parser.parse_args()
    figure = importlib.import_module(f"widthwise.figures.{arguments.name}")
    inputs = read_inputs(figure, dict(arguments.inputs))
    with figure_style():
        save(figure.draw(read_study(arguments.study), **inputs), arguments.figures)


if __name__ == "__main__":
    main()
