"""From a study's configuration to its runs: merging, checking, and each run's resolved settings.

Reports every error at once, a line each, before anything is computed. It is read by the workflow in every
job, so it must not import torch, numpy or pandas; and it must not know a path: a run is named by its
circumstance, its size and its seed, as in "as_posted/width8/seed1".
"""

import copy
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from widthwise.study.architecture import stages_of_depth
from widthwise.study.catalogue import (
    SECTIONS,
    ancestors,
    catalogue_errors,
    flatten,
    grid_errors,
    grid_members,
    resolve,
)
from widthwise.study.configuration import (
    alternatives,
    schema_errors,
    whole_numbers_as_integers,
    with_defaults,
    without_nulls,
)
from widthwise.study.cost import REFERENCE, run_disk_mb, run_memory_mb, run_work
from widthwise.study.requirements import unmet_demands

# Of the training settings, those that decide a starting loss.
START_KEYS = ("random_labels", "class_weights")


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

    `dataset` holds the generator's settings; with `own_file`, the path of a user's own data, nothing is generated.
    `judged` are the circumstances that the study lists and judges one by one; `grids` those that are a grid of
    learning rates, each with the names of its members; `circumstances` all that have runs; `coordinate_checks` those
    whose first steps are followed, with runs or without.

    Raises StudyError where the configuration, or the settings that it gives any of the study's runs, are
    outside the schema or contradict each other.
    """

    def __init__(self, config: dict, schema: dict) -> None:
        given = whole_numbers_as_integers(without_nulls(config))
        raise_if_any(schema_errors(given, schema))
        self.config = with_defaults(given, schema)
        self._posted = posted_settings(schema)
        self.dataset = {key: value for key, value in self.config["dataset"].items() if key != "path"}
        self.own_file: str | None = self.config["dataset"]["path"]
        self.seeds: list[int] = self.config["seeds"]
        catalogue = self.config["circumstances"]
        known = [name for name in self.config["study"] if name in catalogue]
        members = {name: grid_members(name, catalogue[name]) for name in known}
        self.judged = [name for name in known if "learning_rates" not in catalogue[name]]
        self.grids = {name: list(members[name]) for name in known if name not in self.judged}
        self.circumstances = [name for grid in members.values() for name in grid]
        followed = [name for name in self.config["analysis"]["coordinate_check"] if name in catalogue]
        self.coordinate_checks = followed
        self._circumstances = {name: catalogue[name] for name in followed}
        self._circumstances |= {name: member for grid in members.values() for name, member in grid.items()}
        self._resolved = {
            name: resolve(self.config, circumstance) for name, circumstance in self._circumstances.items()
        }
        raise_if_any(
            [
                *(
                    f"study: given {name!r}, which the catalogue lacks; {alternatives(name, catalogue)}"
                    for name in self.config["study"]
                    if name not in catalogue
                ),
                *catalogue_errors(catalogue, self.config, known),
                *(error for name in known for error in grid_errors(name, catalogue[name])),
                *contradictions_of_a_study(self.config),
                *([] if self.own_file else contradictions_of_a_generator(self.dataset)),
                *([] if self.own_file else self.unmet_by(self.extent)),
                *(
                    f"circumstances.{name}: {error}"
                    for name, circumstance in self._circumstances.items()
                    for error in contradictions_of_runs(self._resolved[name], circumstance)
                ),
            ]
        )

    @property
    def extent(self) -> dict | None:
        """How much data there is, as dataset.json has it; None for a user's own, on which the config is silent."""
        if self.own_file:
            return None
        counts = {}
        for split in ("train", "test"):
            cubes = self.dataset[f"{split}_cubes"]
            positives = round(cubes * self.dataset["positive_fraction"])
            counts[split] = [cubes - positives, positives]
        return {"class_counts": counts, "cube_side": self.dataset["cube_side"]}

    @property
    def asked(self) -> dict:
        """What the study asks of its data, for `demands`."""
        keys = ("batch_size", "epochs", "class_weights")
        return {
            "probe_size": self.config["evaluation"]["probe_size"],
            "decay_step": self.config["analysis"]["decay_step"],
            "training": {
                name: {key: settings["training"][key] for key in keys} for name, settings in self._resolved.items()
            },
        }

    @property
    def departures(self) -> dict[str, tuple]:
        """Where the study's own settings are not the question's: by dotted key, what was posted and what is here."""
        sections = SECTIONS if self.own_file else (*SECTIONS, "dataset")
        here = flatten({section: self.config[section] for section in sections})
        return {key: (posted, here[key]) for key, posted in self._posted.items() if here.get(key, posted) != posted}

    def unmet_by(self, extent: dict) -> list[str]:
        """A line for each setting that so much data cannot serve."""
        return unmet_demands(self.asked, extent["class_counts"]["train"])

    @property
    def all_sizes(self) -> list[str]:
        """Every size of any circumstance, with runs or without."""
        return list(dict.fromkeys(size for name in self._circumstances for size in self.sizes(name)))

    @property
    def expectations(self) -> dict[str, dict]:
        """What each judged circumstance expects."""
        return {name: self._circumstances[name]["expectation"] for name in self.judged}

    @property
    def expected_rates(self) -> dict[str, str]:
        """How each grid's best learning rate is expected to move with width."""
        entries = {name: self.config["circumstances"][name]["expectation"] for name in self.grids}
        return {name: entry["best_learning_rate"] for name, entry in entries.items() if "best_learning_rate" in entry}

    @property
    def told(self) -> dict[str, dict]:
        """What the answer tells of each judged circumstance, without what decides its runs."""
        keys = ("hypothesis", "source", "look_for", "change")
        return {
            name: {key: text for key, text in self._circumstances[name].items() if key in keys} for name in self.judged
        }

    @property
    def references(self) -> dict[str, str]:
        """Each judged circumstance's reference, where the study judges that too."""
        references = {name: self._circumstances[name].get("reference") for name in self.judged}
        return {name: reference for name, reference in references.items() if reference in self.judged}

    @property
    def depth_circumstances(self) -> list[str]:
        """The judged circumstances in which depth grows."""
        return [name for name in self.judged if "depths" in self._circumstances[name]]

    def sizes(self, circumstance: str) -> list[str]:
        """A circumstance's sizes, as "width8", or as "depth20" where depth grows instead."""
        depths = self._circumstances[circumstance].get("depths")
        if depths:
            return [f"depth{depth}" for depth in depths]
        return [f"width{width}" for width in self.config["widths"]]

    def runs(self, circumstance: str | None = None) -> Iterator[Run]:
        """The study's runs, or one circumstance's: largest first, since they take longest."""
        for name in [circumstance] if circumstance else self.circumstances:
            for size in sorted(self.sizes(name), key=size_value, reverse=True):
                for seed in self.seeds:
                    yield Run(name, size, seed)

    @property
    def examples(self) -> list[Run]:
        """The first circumstance's smallest, middle and largest size, with the first seed."""
        name = self.circumstances[0]
        sizes = sorted(self.sizes(name), key=size_value)
        chosen = (sizes[0], sizes[(len(sizes) - 1) // 2], sizes[-1])
        return [Run(name, size, self.seeds[0]) for size in chosen]

    def network_settings(self, circumstance: str, size: str) -> dict:
        """The resolved network of one size."""
        network = copy.deepcopy(self._resolved[circumstance]["network"])
        if size.startswith("depth"):
            network["stages"] = stages_of_depth(size_value(size), network["stages"])
            network["width"] = self._circumstances[circumstance]["width"]
        else:
            network["width"] = size_value(size)
        return network

    @cached_property
    def starts(self) -> dict[str, str]:
        """For each judged circumstance, the one nearest to the root whose networks start as its own do.

        Most circumstances change the training alone: their starting losses are measured once, under this name.
        """
        catalogue = self.config["circumstances"]
        nearest_first = sorted(catalogue, key=lambda name: (len(ancestors(name, catalogue)), name))
        keys = {name: self._start_key(catalogue[name]) for name in nearest_first}
        return {name: next(other for other in keys if keys[other] == keys[name]) for name in self.judged}

    def _start_key(self, circumstance: dict) -> tuple:
        resolved = resolve(self.config, circumstance)
        axis = circumstance.get("depths"), circumstance.get("width")
        return resolved["network"], *(resolved["training"][key] for key in START_KEYS), axis

    def start_settings(self, circumstance: str, size: str) -> dict:
        """All that decides the starting losses under one of the names in `starts`, but a seed."""
        judged = next(name for name, start in self.starts.items() if start == circumstance)
        evaluation = self.config["evaluation"]
        return {
            "circumstance": circumstance,
            "size": size,
            "network": self.network_settings(judged, size),
            "training": {key: self._resolved[judged]["training"][key] for key in START_KEYS},
            "evaluation": {key: evaluation[key] for key in ("probe_size", "batch_size")},
        }

    @property
    def reported_l2(self) -> dict[str, float]:
        """For each judged circumstance, lambda where the objective holds the penalty, else 0."""
        training = {name: self._resolved[name]["training"] for name in self.judged}
        return {name: values["l2"] if values["l2_as"] == "loss" else 0 for name, values in training.items()}

    def first_steps_settings(self, circumstance: str, size: str) -> dict:
        """All that decides a network's first steps, but a seed: of how many more follow, nothing depends."""
        settings = self.run_settings(circumstance, size, 0)
        settings["training"] = settings["training"] | {"epochs": 0}
        del settings["seed"]
        return settings

    def run_settings(self, circumstance: str, size: str, seed: int) -> dict:
        """Everything that decides a run's numbers, but the dataset."""
        return {
            "circumstance": circumstance,
            "size": size,
            "seed": int(seed),
            "network": self.network_settings(circumstance, size),
            "training": self._resolved[circumstance]["training"],
            "evaluation": self.config["evaluation"],
        }

    def work(self, extent: dict) -> list[dict]:
        """What the runs of every circumstance and size have to do on so much data, and what they take."""
        rows = []
        for name in self.circumstances:
            for size in self.sizes(name):
                settings = self.run_settings(name, size, 0)
                work = run_work(settings, extent)
                rows.append(
                    {"circumstance": name, "size": size, "runs": len(self.seeds)}
                    | asdict(work)
                    | {"memory_mb": run_memory_mb(settings, extent), "disk_mb": run_disk_mb(work)}
                )
        return rows

    @property
    def timed(self) -> list[dict]:
        """The settings of the first circumstance's sizes, whose speed the benchmark measures."""
        name = self.circumstances[0]
        return [self.run_settings(name, size, self.seeds[0]) for size in self.sizes(name)]


def posted_settings(schema: dict) -> dict[str, Any]:
    """What the question posted, by dotted key: the default of each setting that the schema marks so."""
    sections = {name: schema["$defs"].get(name, key) for name, key in schema["properties"].items()}
    settings = {
        f"{name}.{key}": setting
        for name, section in sections.items()
        for key, setting in section.get("properties", {}).items()
    }
    return {key: setting["default"] for key, setting in settings.items() if setting.get("origin") == "posted"}


def memory_mb(settings: dict, extent: dict) -> int:
    """What to ask a scheduler for: half as much again as a job of these settings on these data should take."""
    return 100 * math.ceil(1.5 * run_memory_mb(settings, extent) / 100)


def minutes(settings: dict, extent: dict) -> int:
    """What to ask a scheduler for: four times what a run should take, for slower machines, and 5."""
    return 5 + math.ceil(4 * REFERENCE.seconds(run_work(settings, extent)) / 60)


def raise_if_any(errors: Iterable[str]) -> None:
    """Raises StudyError with all of the errors, each once."""
    errors = list(dict.fromkeys(errors))
    if errors:
        raise StudyError(errors)


def contradictions_of_a_study(config: dict) -> list[str]:
    """Errors between keys of the study that no schema can state."""
    errors = [
        f"analysis.coordinate_check: given {name!r}, which the catalogue lacks; "
        + alternatives(name, config["circumstances"])
        for name in config["analysis"]["coordinate_check"]
        if name not in config["circumstances"]
    ]
    if all("learning_rates" in config["circumstances"].get(name, {}) for name in config["study"]):
        errors.append("study: given only grids of learning rates; allowed: at least one circumstance to judge")
    return errors


def contradictions_of_a_generator(dataset: dict) -> list[str]:
    """Errors between the settings of the synthetic data that no schema can state."""
    if dataset["volume_side"] >= dataset["cube_side"]:
        return []
    return [
        f"dataset.volume_side: given {dataset['volume_side']}, allowed: at least dataset.cube_side, "
        f"{dataset['cube_side']}"
    ]


def contradictions_of_runs(resolved: dict, circumstance: dict) -> list[str]:
    """Errors between the settings of a circumstance's runs that no schema can state."""
    errors, network, training = [], resolved["network"], resolved["training"]
    if len(network["stages"]) != len(network["multipliers"]):
        errors.append(
            f"network.multipliers: given {len(network['multipliers'])} of them, allowed: one for each of the "
            f"{len(network['stages'])} in network.stages"
        )
    if training["l2_as"] == "decoupled" and training["optimiser"] != "adam":
        errors.append(f"training.l2_as: given decoupled with {training['optimiser']}, allowed: with adam only")
    if ("depths" in circumstance) != ("width" in circumstance):
        errors.append("width: allowed, and needed, only where `depths` says that depth grows at that width")
    least = len(network["stages"]) + 1
    depths = circumstance.get("depths", [])
    errors += [f"depths: given {d}, allowed: at least {least}, a convolution a stage" for d in depths if d < least]
    if network["residual"]:
        errors += [
            f"network.residual: a depth of {d}, allowed: an even depth, so that convolutions pair up"
            for d in depths or [sum(network["stages"]) + 1]
            if d % 2
        ]
    return errors


def size_value(size: str) -> int:
    """The number in a size's name: 8 of "width8"."""
    return int(size.removeprefix("width").removeprefix("depth"))


def canonical_json(value: Any) -> str:
    """The same text for the same settings: keys sorted, a whole number written as an integer."""
    return json.dumps(whole_numbers_as_integers(value), sort_keys=True, separators=(",", ":"))
