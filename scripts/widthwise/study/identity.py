"""The columns that every table of runs starts with, and the name of a run that they spell."""

from collections.abc import Mapping
from typing import Any

from widthwise.study.settings import RunSettings, StartSettings

NETWORK_IDENTITY = ["circumstance", "size", "width", "depth", "parameters"]
IDENTITY = [*NETWORK_IDENTITY, "seed"]


def network_identity(settings: RunSettings | StartSettings, parameters: int) -> dict[str, Any]:
    """The columns that tell a network of these settings, with so many parameters, from every other."""
    network = settings.network
    values = (settings.circumstance, settings.size, network.width, network.depth, parameters)
    return dict(zip(NETWORK_IDENTITY, values, strict=True))


def identity(settings: RunSettings, parameters: int) -> dict[str, Any]:
    """The columns that tell a run of these settings from every other."""
    return network_identity(settings, parameters) | {"seed": settings.seed}


def run_name(row: Mapping[str, Any]) -> str:
    """The name of the run that a row belongs to, as in "baseline/width8/seed1"."""
    return f"{row['circumstance']}/{row['size']}/seed{row['seed']}"
