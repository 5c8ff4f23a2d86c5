"""From a study's configuration to its runs: merging, checking, and each run's resolved settings.

Reports every error at once, a line each, before anything is computed. It is read by the workflow in every
job, so it must not import torch, numpy or pandas; and it must not know a path: a run is named by its
circumstance, its size and its seed, as in "as_posted/width8/seed1".
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from widthwise.configuration import alternatives, schema_errors, with_defaults, without_nulls

RUN_SECTIONS = ("network", "training")


class StudyError(ValueError):
    """A configuration that cannot be run; its text holds one line for each error."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))


@dataclass(frozen=True)
class Run:
    """One training, as the workflow names it."""

    circumstance: str
    size: str
    seed: int

    @property
    def name(self) -> str:
        """As in "as_posted/width8/seed1"."""
        return f"{self.circumstance}/{self.size}/seed{self.seed}"


class Study:
    """A checked configuration. `config` is Snakemake's, `schema` that of config/schema.yaml.

    Raises StudyError where the configuration, or the settings that it gives any of the study's runs, are
    outside the schema or contradict each other.
    """

    def __init__(self, config: dict, schema: dict) -> None:
        given = without_nulls(config)
        errors = schema_errors(given, schema)
        if errors:
            raise StudyError(errors)
        self.config = with_defaults(given, schema)
        self.dataset: dict = self.config["dataset"]
        self.circumstances: list[str] = self.config["study"]
        self.sizes = [f"width{width}" for width in self.config["widths"]]
        self.seeds: list[int] = self.config["seeds"]
        errors = self._contradictions()
        if errors:
            raise StudyError(errors)
        self._resolved = {name: self._resolve(name) for name in self.circumstances}
        errors = [
            f"circumstances.{name}: {error}"
            for name, resolved in self._resolved.items()
            for error in contradictions_of_a_run(resolved, self.config)
        ]
        if errors:
            raise StudyError(list(dict.fromkeys(errors)))

    def runs(self, circumstance: str | None = None) -> Iterator[Run]:
        """The study's runs, or one circumstance's: widest first, since they take longest."""
        for name in [circumstance] if circumstance else self.circumstances:
            for size in sorted(self.sizes, key=size_value, reverse=True):
                for seed in self.seeds:
                    yield Run(name, size, seed)

    def run_settings(self, circumstance: str, size: str, seed: int) -> dict:
        """Everything that decides a run's numbers, but the dataset."""
        resolved = copy.deepcopy(self._resolved[circumstance])
        resolved["network"]["width"] = size_value(size)
        return {"circumstance": circumstance, "seed": int(seed), **resolved}

    def _resolve(self, circumstance: str) -> dict:
        overrides = self.config["circumstances"][circumstance].get("overrides", {})
        resolved = {section: copy.deepcopy(self.config[section]) for section in RUN_SECTIONS}
        for section, settings in overrides.items():
            resolved[section].update(copy.deepcopy(settings))
        return resolved | {"evaluation": copy.deepcopy(self.config["evaluation"])}

    def _contradictions(self) -> list[str]:
        """Errors between keys of the study that no schema can state."""
        catalogue, dataset = self.config["circumstances"], self.dataset
        errors = [
            f"study: given {name!r}, which the catalogue lacks; {alternatives(name, catalogue)}"
            for name in self.circumstances
            if name not in catalogue
        ]
        for name, circumstance in catalogue.items():
            reference = circumstance.get("reference")
            if reference is not None and reference not in catalogue:
                errors.append(
                    f"circumstances.{name}.reference: given {reference!r}, which the catalogue lacks; "
                    + alternatives(reference, catalogue)
                )
        if dataset["volume_side"] < dataset["cube_side"]:
            errors.append(
                f"dataset.volume_side: given {dataset['volume_side']}, allowed: at least dataset.cube_side, "
                f"{dataset['cube_side']}"
            )
        positives = round(dataset["train_cubes"] * dataset["positive_fraction"])
        smaller = min(positives, dataset["train_cubes"] - positives)
        if self.config["evaluation"]["probe_size"] > 2 * smaller:
            errors.append(
                f"evaluation.probe_size: given {self.config['evaluation']['probe_size']}, allowed: at most "
                f"{2 * smaller}, twice the training cubes of the smaller class"
            )
        return errors


def contradictions_of_a_run(resolved: dict, config: dict) -> list[str]:
    """Errors between the settings of a resolved run that no schema can state."""
    errors = []
    network, batch_size = resolved["network"], resolved["training"]["batch_size"]
    if len(network["stages"]) != len(network["multipliers"]):
        errors.append(
            f"network.multipliers: given {len(network['multipliers'])} of them, allowed: one for each of the "
            f"{len(network['stages'])} in network.stages"
        )
    if batch_size > config["dataset"]["train_cubes"]:
        errors.append(
            f"training.batch_size: given {batch_size}, allowed: at most dataset.train_cubes, "
            f"{config['dataset']['train_cubes']}"
        )
    return errors


def size_value(size: str) -> int:
    """The number in a size's name: 8 of "width8"."""
    return int(size.removeprefix("width"))


def canonical_json(value: Any) -> str:
    """The same text for the same settings: keys sorted, a whole number written as an integer."""
    return json.dumps(whole_numbers_as_integers(value), sort_keys=True, separators=(",", ":"))


def whole_numbers_as_integers(value: Any) -> Any:
    match value:
        case dict():
            return {key: whole_numbers_as_integers(item) for key, item in value.items()}
        case list():
            return [whole_numbers_as_integers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value
