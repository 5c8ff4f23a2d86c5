"""Circumstances as the study runs them: resolved settings, sizes, and what is expected.

An entry of the catalogue overrides the study's own settings; `catalogue` says how entries hang together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

from widthwise.study.architecture import Task, parameter_count, stages_of_depth
from widthwise.study.catalogue import reference_of, resolve
from widthwise.study.factory import FACTORY_KEYS, FOLLOWED, Factory
from widthwise.study.requirements import unjudged
from widthwise.study.settings import FactorySettings, NetworkSettings, TrainingSettings

# Training settings that decide a starting loss.
START_KEYS = ("batch_size", "random_labels", "class_weights")
# What may be expected of a grid of learning rates.
RATE_EXPECTATIONS = ("best_learning_rate", "highest_stable_rate", "end_at_own_best_rate")
OTHER_FAMILY = "other circumstances"
MOST_ON_A_PAGE = 8  # circumstances with a panel, or a row of panels, each
# Sizes are compared before a user's own data have told what the task is.
ASSUMED_TASK = Task(classes=2, shape=(1, 1, 1, 1))


@dataclass(frozen=True)
class Circumstance:
    """One entry of the catalogue, resolved: its texts, what is expected of it, and its settings.

    `title` is its name in words, `family` the heading under which figures show it. `base_network` has every setting of
    its networks except the size: `width` and, where depth grows, `stages`. `expectation` and `expected_contrast` map
    measure -> feature -> verdict. The expected penalty ratios are the lowest and the highest: at the end, the largest
    size over the smallest, and this circumstance over its reference. `expected_rates` is what is expected of a grid of
    learning rates.
    """

    name: str
    title: str
    family: str
    hypothesis: str
    look_for: str | None
    change: str | None
    reference: str | None
    expectation: dict[str, dict[str, str]]
    expected_contrast: dict[str, dict[str, str]]
    expected_rates: dict[str, str]
    expected_penalty_ratio: tuple[float, float] | None
    expected_penalty_contrast: tuple[float, float] | None
    learning_rates: tuple[float, ...] | None
    depths: tuple[int, ...] | None
    sizes: tuple[str, ...]
    base_network: NetworkSettings | FactorySettings
    training: TrainingSettings

    @property
    def reports_penalty(self) -> bool:
        """Whether the reported loss holds the penalty."""
        return self.training.reported_l2 > 0

    def network(self, size: str) -> NetworkSettings | FactorySettings:
        """The network of one size."""
        if self.depths and isinstance(self.base_network, FactorySettings):
            return replace(self.base_network, depth=size_value(size))
        if self.depths:
            return replace(self.base_network, stages=stages_of_depth(size_value(size), self.base_network.stages))
        return replace(self.base_network, width=size_value(size))


def circumstance_of(name: str, entry: dict, config: dict, factory: Factory | None) -> Circumstance:
    """Resolves an entry of the catalogue over the study's base settings."""
    resolved = resolve(config, entry)
    network = resolved["network"] | {"width": entry.get("width", config["widths"][0])}
    depths = entry.get("depths")
    expectation = dict(entry.get("expectation", {}))
    contrast = dict(expectation.pop("contrast", {}))
    ratios = [tuple(found.pop("penalty_ratio", ())) or None for found in (expectation, contrast)]
    return Circumstance(
        name=name,
        title=title_of(name, entry),
        family=entry.get("family", OTHER_FAMILY),
        hypothesis=entry["hypothesis"],
        look_for=entry.get("look_for"),
        change=entry.get("change"),
        reference=reference_of(name, config["circumstances"] | {name: entry}, config),
        expected_contrast=contrast,
        expected_rates={key: expectation.pop(key) for key in RATE_EXPECTATIONS if key in expectation},
        expected_penalty_ratio=ratios[0],
        expected_penalty_contrast=ratios[1],
        expectation=expectation,
        learning_rates=tuple(entry["learning_rates"]) if "learning_rates" in entry else None,
        depths=tuple(depths) if depths else None,
        sizes=tuple(f"depth{n}" for n in depths) if depths else tuple(f"width{n}" for n in config["widths"]),
        base_network=FactorySettings.from_dict(network | {"depth": None, "code": factory.code})
        if factory
        else NetworkSettings.from_dict(network),
        training=TrainingSettings.from_dict(resolved["training"]),
    )


def title_of(name: str, entry: dict) -> str:
    """A circumstance's name in words: its title, else the key with spaces."""
    return entry.get("title", name.replace("_", " "))


def page_name(family: str) -> str:
    """The name of a family's page, as part of a file's name."""
    return re.sub(r"\W+", "_", family)


class Naming:
    """The names in words of what a study judges; for classes with `judged`, `circumstances` and `config`.

    `step_name` and `size_name` are what steps and sizes are called.
    """

    heading = ""
    step_name, size_name = "step", "parameters"
    judged: list[str]
    circumstances: Mapping[str, Any]
    config: Mapping[str, Any]

    def title(self, name: str) -> str:
        """The name of a circumstance or a grid in words."""
        if name in self.circumstances:
            return self.circumstances[name].title
        return title_of(name, self.config["circumstances"].get(name, {}))

    def titles(self, names: Iterable[str]) -> list[str]:
        """The names of some circumstances or grids in words."""
        return [self.title(name) for name in names]

    @property
    def families(self) -> dict[str, list[str]]:
        """The judged circumstances by family, in the order of their first.

        Families whose pages would have the same name are one.
        """
        families: dict[str, tuple[str, list[str]]] = {}
        for name in self.judged:
            family = self.circumstances[name].family
            families.setdefault(page_name(family), (family, []))[1].append(name)
        return dict(families.values())

    def pages(self, names: Sequence[str]) -> list[str]:
        """The pages of a figure that shows these circumstances: "" is the only page; else one for each family."""
        if len(names) <= MOST_ON_A_PAGE:
            return [""]
        return [page_name(family) for family, of_family in self.families.items() if set(of_family) & set(names)]

    def on_page(self, page: str) -> Self:
        """The study as a page of a figure shows it: one family judged, and its name as the heading."""
        if not page:
            return self
        shown = copy(self)
        shown.heading, shown.judged = next(item for item in self.families.items() if page_name(item[0]) == page)
        return shown


def start_key(circumstance: Circumstance) -> tuple:
    """What decides a circumstance's starting losses."""
    training = circumstance.training
    return circumstance.base_network, circumstance.sizes, *(getattr(training, key) for key in START_KEYS)


def contradictions_of_a_circumstance(entry: dict, config: dict, factory: Factory | None) -> list[str]:
    """Errors between the settings of a circumstance's runs that no schema can state."""
    resolved = resolve(config, entry)
    training, errors = resolved["training"], []
    if training["l2_as"] == "decoupled" and training["optimiser"] != "adam":
        errors.append(f"training.l2_as: decoupled given with {training['optimiser']}; write optimiser, or use adam")
    if ("depths" in entry) != ("width" in entry):
        errors.append("width: write it where, and only where, `depths` says that depth grows at that width")
    if factory:
        return errors + contradictions_with_a_factory(entry, resolved["network"], factory)
    return errors + contradictions_of_a_network(resolved["network"], entry.get("depths", []))


def faults_of_expectations(chosen: Circumstance, reference: Circumstance | None) -> Iterator[str]:
    """Yields a line for each thing that is expected of a circumstance and that nothing could show.

    Args:
        chosen: the circumstance, or a member of the grid.
        reference: its reference, if the study judges both.
    """
    contrast = "expectation.contrast"
    verdicts = (("expectation", chosen.expectation), (contrast, chosen.expected_contrast))
    ratios = (("expectation", chosen.expected_penalty_ratio), (contrast, chosen.expected_penalty_contrast))
    if chosen.learning_rates and any(found for _, found in verdicts + ratios):
        yield f"expectation: a grid of learning rates allows only {', '.join(RATE_EXPECTATIONS)}; leave out the rest"
        return
    if not chosen.learning_rates:
        for key in chosen.expected_rates:
            yield f"expectation.{key}: given without learning_rates, a grid of them; leave it out"
    for key, measures in verdicts:
        for measure, features in measures.items():
            yield from (f"{key}.{measure}.{fault}" for feature in features if (fault := unjudged(measure, feature)))
    for key, ratio in ratios:
        compared = [chosen, *([reference] if reference and key == contrast else [])]
        if ratio and ratio[0] > ratio[1]:
            yield f"{key}.penalty_ratio: {ratio[0]:g}, {ratio[1]:g} given; write the lowest first"
        if ratio and not all(one.reports_penalty for one in compared):
            yield f"{key}.penalty_ratio: given where no penalty is reported; leave it out"
    if chosen.expected_contrast or chosen.expected_penalty_contrast:
        if chosen.reference is None:
            yield f"{contrast}: given without a reference; leave it out"
        elif reference and reference.sizes != chosen.sizes:
            yield f"{contrast}: given, but {reference.name} has other sizes; leave it out"


def contradictions_with_a_factory(entry: dict, network: dict, factory: Factory) -> list[str]:
    """What of a circumstance a user's own network cannot follow."""
    overrides = entry.get("overrides", {}).get("network", {})
    ours = [f"network.{key}" for key in overrides if key not in FOLLOWED]
    accepted = f"{factory} builds this one and accepts {factory.options}"
    errors = []
    if ours:
        errors.append(
            f"{', '.join(ours)}: of the built-in network, but {accepted}; take the circumstance out of `study`"
        )
    if "depths" in entry and not factory.takes("depth"):
        errors.append(f"depths: {accepted}; let it accept depth, or take the circumstance out of `study`")
    return errors + [f"network.options: {fault}" for fault in factory.faults(network["options"])]


def contradictions_of_a_network(network: dict, depths: Sequence[int]) -> list[str]:
    """Errors between the settings of the built-in network."""
    errors = [
        f"network.{key}: given without a factory in the study's own settings" for key in FACTORY_KEYS if key in network
    ]
    if network["initialisation"] == "as_built":
        errors.append("network.initialisation: as_built given, which is for a factory; write glorot, he or another")
    stages, multipliers = len(network["stages"]), len(network["multipliers"])
    if stages != multipliers:
        errors.append(
            f"network.multipliers: {multipliers} given for {stages} stages; write one for each entry of network.stages"
        )
    errors += [
        f"depths: {depth} given for {stages} stages; write at least {stages + 1}, one convolution a stage and the head"
        for depth in depths
        if depth < stages + 1
    ]
    if network["residual"]:
        errors += [
            f"network.residual: a depth of {depth} given; write an even depth, so that convolutions pair up"
            for depth in depths or [sum(network["stages"]) + 1]
            if depth % 2
        ]
    return errors


def sizes_alike(circumstance: Circumstance) -> list[str]:
    """A line for each two sizes with the same number of parameters: nothing can be said of how a loss grows with it.

    A user's own networks are counted when they are described.
    """
    if isinstance(circumstance.base_network, FactorySettings):
        return []
    parameters = {size: parameter_count(circumstance.network(size), ASSUMED_TASK) for size in circumstance.sizes}
    return [
        f"circumstances.{circumstance.name}: {one} and {other} have the same number of parameters, {count}; leave one "
        "out"
        for one, other, count in pairs_alike(parameters)
    ]


def pairs_alike(parameters: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    """Yields each two sizes with the same number of parameters, and that number."""
    seen: dict[int, str] = {}
    for size, count in parameters.items():
        if count in seen:
            yield seen[count], size, count
        seen[count] = size


def size_value(size: str) -> int:
    """The number in a size's name: 8 of "width8"."""
    return int(size.removeprefix("width").removeprefix("depth"))
