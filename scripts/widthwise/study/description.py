"""Texts for people about a configuration: the page of all keys, and the settings of one dataset or run.

The page comes from config/schema.yaml, where each key's description, type, limits and default are written.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from widthwise.study.configuration import allowed_values
from widthwise.study.plan import Study
from widthwise.study.settings import canonical_json

INTRODUCTION = """\
# Every key

Every key of a study's configuration, as `python scripts/study.py describe-config` prints it from
[`schema.yaml`](schema.yaml). How to write a study is in [README.md](README.md).

*Posted* settings are the question's. *Assumed* settings are those that it left open; every answer is conditional on
them. Changing `analysis`, `device`, `claims` or a circumstance's texts trains nothing again.
"""
HEADER = "| key | what it says | allowed | default | origin |\n| --- | --- | --- | --- | --- |"


def describe_configuration(schema: dict, defaults: Mapping[str, Any]) -> str:
    """Returns the page of all keys.

    Args:
        schema: the content of config/schema.yaml.
        defaults: the default study, for keys at the top level that have no default in the schema.
    """
    top = {name: key for name, key in schema["properties"].items() if not members(key) and "$ref" not in key}
    top = {name: ({"default": defaults[name]} if name in defaults else {}) | key for name, key in top.items()}
    sections = {name: key for name, key in (schema["properties"] | schema["$defs"]).items() if members(key)}
    study = {"description": "At the top of the file.", "properties": top}
    return "\n".join(
        [INTRODUCTION, section("The study", study, schema)]
        + [section(f"`{name}`", key, schema) for name, key in sections.items()]
    )


def members(key: dict) -> dict:
    """The keys inside a key, if it is a mapping of known keys."""
    return key.get("properties", {})


def section(title: str, key: dict, schema: dict) -> str:
    """A heading, a description, and a table with one row for each key inside."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in rows_of(key, schema))
    return f"### {title}\n\n{key['description']}\n\n{HEADER}\n{rows}\n"


def rows_of(key: dict, schema: dict, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """Yields key, description, allowed values, default and origin of every key inside, nested keys included."""
    for name, inner in members(key).items():
        default = "required" if name in key.get("required", []) else as_yaml(inner)
        referred = schema["$defs"].get(definition(inner), {})
        description = inner.get("description") or referred["description"]
        yield f"`{prefix}{name}`", description, allowed(inner, referred), default, inner.get("origin", "")
        yield from rows_of(inner, schema, f"{prefix}{name}.")


def definition(key: dict) -> str:
    """The name of the definition that a key refers to, or nothing."""
    return key.get("$ref", "").removeprefix("#/$defs/")


def allowed(key: dict, referred: dict) -> str:
    """Says which values a key may have; a mapping that has a section of its own becomes a link to it."""
    if members(referred):
        return f"the keys of [{definition(key)}](#{definition(key)})"
    if members(key):
        return "the keys below"
    if entry := definition(key.get("additionalProperties") or {}):
        return f"names, each with the keys of [{entry}](#{entry})"
    if key.get("type") == "boolean":
        return "true, false"
    value = referred or key
    items = f", each {allowed_values(value['items'])}" if "items" in value else ""
    return allowed_values(value) + items


def as_yaml(key: dict) -> str:
    """A key's default as YAML writes it, or nothing."""
    return f"`{yaml.safe_dump(key['default'], default_flow_style=True).splitlines()[0]}`" if "default" in key else ""


def describe_settings(study: Study, what: str) -> str:
    """Returns the settings of the dataset ("dataset", or a draw as "dataset/seed0") or of a run, as canonical JSON.

    The programs generate_dataset and train take this text as --settings. All draws have the same settings. Raises
    ValueError for another name.
    """
    runs = {run.name: run for run in study.runs()}
    if what in runs:
        run = runs[what]
        return canonical_json(study.run_settings(run.circumstance, run.size, run.seed))
    if what in ("dataset", *(f"dataset/{draw}" for draw in study.draws)):
        if study.own_file:
            raise ValueError(f"{what}: own data have no settings; they are imported from {study.own_file}")
        return canonical_json(study.dataset)
    examples = f"dataset/{study.draws[0]} or {next(iter(runs))}"
    raise ValueError(f"{what}: neither a dataset nor a run of the study; write for example {examples}")
