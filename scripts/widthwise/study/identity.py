"""Which run a row belongs to: the columns that every table starts with, and the name that they spell.

It must not know what else a row holds.
"""

from collections.abc import Mapping
from typing import Any

from widthwise.study.architecture import depth

IDENTITY = ["circumstance", "size", "width", "depth", "parameters", "seed"]


def identity(settings: Mapping[str, Any], parameters: int) -> dict[str, Any]:
    """The identity of the run with these resolved settings, whose network has so many parameters."""
    network = settings["network"]
    values = (
        settings["circumstance"],
        settings["size"],
        network["width"],
        depth(network["stages"]),
        parameters,
        settings["seed"],
    )
    return dict(zip(IDENTITY, values, strict=True))


def run_name(row: Mapping[str, Any]) -> str:
    """As in "as_posted/width8/seed1"."""
    return f"{row['circumstance']}/{row['size']}/seed{row['seed']}"
