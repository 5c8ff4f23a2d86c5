"""The catalogue of circumstances: what each changes, and with which other it is compared.

References form a tree rooted at `baseline`, the study's own settings. A circumstance is one factor away from its
reference, so a difference between the two has one cause.
"""

import copy
import itertools
import math
from collections.abc import Collection, Iterator
from typing import Any

from widthwise.study.configuration import Validator, alternatives, hint, is_number, shorten
from widthwise.study.settings import plain

ROOT = "baseline"
SECTIONS = ("network", "training")
# Settings without effect where another one has one of these values. They are no factors.
WITHOUT_EFFECT = {
    "network.negative_slope": ("network.activation", ("relu", "elu", "gelu")),
    "network.initial_std": ("network.initialisation", ("glorot", "he", "default", "as_built")),
    "network.normalisation_momentum": ("network.normalisation", ("none",)),
    "network.normalisation_epsilon": ("network.normalisation", ("none",)),
    "network.base_width": ("network.parametrisation", ("standard",)),
    "training.betas": ("training.optimiser", ("sgd",)),
    "training.epsilon": ("training.optimiser", ("sgd",)),
    "training.momentum": ("training.optimiser", ("adam",)),
    "training.l2_as": ("training.l2", (0,)),
}


def resolve(base: dict, circumstance: dict) -> dict:
    """The base's network and training settings with the circumstance's overrides laid over them."""
    return merge({section: base[section] for section in SECTIONS}, circumstance.get("overrides", {}))


def merge(base: dict, overrides: dict) -> dict:
    """A copy of the base with the overrides laid over it, mapping by mapping."""
    merged = copy.deepcopy(base)
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def with_absolute_overrides(config: dict, schema: dict) -> tuple[dict, list[str]]:
    """A copy of the configuration in which each override `{times: factor}` is the study's own setting times the factor.

    It is done before the configuration is checked. Returns a line for each one that cannot be.
    """
    config, errors = copy.deepcopy(config), []
    for name, section, overrides in each_override(config):
        properties = schema["$defs"][section]["properties"]
        errors += make_absolute(f"circumstances.{name}.overrides.{section}", overrides, config.get(section), properties)
    return config, errors


def make_absolute(prefix: str, overrides: dict, base: Any, properties: dict | None) -> Iterator[str]:
    """Replaces each override `{times: factor}`, in place. Yields a line for each one that cannot be, and removes it.

    Args:
        prefix: the key of the overrides.
        base: the study's own settings, not yet checked.
        properties: the schema of each setting; None where any are allowed.
    """
    base = base if isinstance(base, dict) else {}
    for name, value in list(overrides.items()):
        if not isinstance(value, dict) or (properties is not None and name not in properties):
            continue
        key, setting = f"{prefix}.{name}", (properties or {}).get(name, {})
        own = base.get(name, setting.get("default"))
        if set(value) != {"times"}:
            yield from make_absolute(key, value, own, None)
            continue
        factor = value["times"]
        if name in base and not Validator(setting).is_valid(own):  # that is an error of its own
            del overrides[name]
        elif not is_number(factor):
            yield f"{key}: times {shorten(factor)} given; write a number{hint(factor)}"
            del overrides[name]
        elif not is_number(own):
            yield f"{key}: times {factor} given, but the study's own setting is no number; write the value itself"
            del overrides[name]
        else:
            overrides[name] = plain(float(f"{float(own) * factor:.12g}"))


def each_override(config: dict) -> Iterator[tuple[str, str, dict]]:
    """Circumstance, section and overrides, in a configuration that has not been checked."""
    circumstances = config.get("circumstances")
    for name, entry in circumstances.items() if isinstance(circumstances, dict) else ():
        overrides = entry.get("overrides") if isinstance(entry, dict) else None
        for section in SECTIONS:
            if isinstance(overrides, dict) and isinstance(overrides.get(section), dict):
                yield name, section, overrides[section]


def factors(base: dict, circumstance: dict, reference: dict) -> set[str]:
    """What sets a circumstance apart from its reference: dotted keys, `depths` and `learning_rates` included.

    A setting counts if it has an effect in both. An optimiser comes with a learning rate: together they are one factor.
    """
    ours, theirs = flatten(resolve(base, circumstance)), flatten(resolve(base, reference))
    differing = {key for key in ours | theirs if ours.get(key) != theirs.get(key)}
    for key, (other, values) in WITHOUT_EFFECT.items():
        if ours.get(other) in values or theirs.get(other) in values:
            differing.discard(key)
    for axis in ("depths", "learning_rates"):
        if circumstance.get(axis) != reference.get(axis):
            differing.add(axis)
    if differing & {"learning_rates", "training.optimiser"}:
        differing.discard("training.learning_rate")
    if circumstance.get("width") != reference.get("width") and "depths" not in differing:
        differing.add("width")
    return differing


def flatten(settings: dict, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    flat = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def catalogue_errors(catalogue: dict, base: dict, names: Collection[str]) -> list[str]:
    """A line for each circumstance whose place in the tree is wrong.

    `names` and their ancestors need a reference that leads to the root. Each of `names` must be at most one factor
    from its reference; where it is none, `changes_nothing` is true.
    """
    errors, judged = [], set(names)
    needed = dict.fromkeys(other for name in names for other in (name, *ancestors(name, catalogue)))
    for name in needed:
        circumstance = catalogue[name]
        key = f"circumstances.{name}"
        reference = circumstance.get("reference")
        if name == ROOT:
            if reference is not None or circumstance.get("overrides"):
                errors.append(f"{key}: the root of all references; allowed: no reference and no overrides")
        elif reference is None:
            errors.append(f"{key}.reference: missing; allowed: the circumstance that it is one factor away from")
        elif reference not in catalogue:
            errors.append(
                f"{key}.reference: given {reference!r}, which the catalogue lacks; "
                + alternatives(reference, catalogue)
            )
        elif name in ancestors(name, catalogue):
            errors.append(f"{key}.reference: given {reference!r}, which leads back to {name}; allowed: no cycle")
        elif name in judged and len(found := factors(base, circumstance, catalogue[reference])) > 1:
            given = ", ".join(sorted(found))
            errors.append(f"{key}: {len(found)} factors away from {reference} ({given}); allowed: exactly one")
    return errors


def changes_nothing(name: str, catalogue: dict, base: dict) -> bool:
    """Whether a circumstance is, with these base settings, the same as its reference.

    One whose references do not lead to the root is an error instead: `catalogue_errors`.
    """
    above = ancestors(name, catalogue)
    return name != ROOT and above[-1:] == [ROOT] and not factors(base, catalogue[name], catalogue[above[0]])


def reference_of(name: str, catalogue: dict, base: dict) -> str | None:
    """What a circumstance is compared with: its reference, or, where that changes nothing, what it is the same as."""
    return next((other for other in ancestors(name, catalogue) if not changes_nothing(other, catalogue, base)), None)


def grid_errors(name: str, catalogue: dict) -> list[str]:
    """What is wrong with a circumstance's grid of learning rates."""
    circumstance = catalogue[name]
    rates = circumstance.get("learning_rates", [])
    uneven = [b for a, b in itertools.pairwise(rates) if not math.isclose(b / a, 2, rel_tol=0.01)]
    errors = [
        f"circumstances.{name}.learning_rates: given {rate:g}; allowed: twice the rate before it" for rate in uneven
    ]
    errors += [
        f"circumstances.{name}.learning_rates: one is to be called {member}, as another circumstance is; rename that"
        for member in grid_members(name, circumstance)
        if member != name and member in catalogue
    ]
    if rates and "depths" in circumstance:
        errors.append(f"circumstances.{name}.depths: given with learning_rates; allowed: one of the two")
    return errors


def ancestors(name: str, catalogue: dict) -> list[str]:
    """The chain of references above a circumstance, nearest first; it stops where it would repeat."""
    chain: list[str] = []
    reference = catalogue[name].get("reference")
    while reference in catalogue and reference not in chain:
        chain.append(reference)
        reference = catalogue[reference].get("reference")
    return chain


def grid_members(name: str, circumstance: dict) -> dict[str, dict]:
    """A circumstance with `learning_rates` as one circumstance for each rate, named after it; others alone."""
    if "learning_rates" not in circumstance:
        return {name: circumstance}
    members = {}
    for rate in circumstance["learning_rates"]:
        member = copy.deepcopy(circumstance)
        if "title" in circumstance:
            member["title"] = f"{circumstance['title']}, at {rate:g}"
        member.setdefault("overrides", {}).setdefault("training", {})["learning_rate"] = rate
        members[f"{name}_{rate:g}"] = member
    return members
