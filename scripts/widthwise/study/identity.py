"""The columns that every table of runs starts with, and the name of a run that they spell."""

from collections.abc import Mapping
from typing import Any

from widthwise.study.settings import RunSettings, StartSettings

NETWORK_IDENTITY = ["circumstance", "size", "width", "depth", "parameters"]
IDENTITY = [*NETWORK_IDENTITY, "seed"]


def network_identity(settings: RunSettings | StartSettings, parameters: int, depth: int) -> dict[str, Any]:
    """The columns that tell a network from every other; `depth` counts its convolutions and linear layers."""
    values = (settings.circumstance, settings.size, settings.network.width, depth, parameters)
    return dict(zip(NETWORK_IDENTITY, values, strict=True))


def identity(settings: RunSettings, parameters: int, depth: int) -> dict[str, Any]:
    """The columns that tell a run from every other; arguments as for `network_identity`."""
    return network_identity(settings, parameters, depth) | {"seed": settings.seed}


def run_name(row: Mapping[str, Any]) -> str:
    """The name of the run that a row belongs to, as in "baseline/width8/seed1"."""
    return f"{row['circumstance']}/{row['size']}/seed{row['seed']}"
