"""Prints config/README.md, which documents every key of the configuration, from config/schema.yaml.

Run it in the checkout: `python scripts/describe_config.py > config/README.md`. The schema is where a key's
description, type, limits and default are written; this must not know any key.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import yaml

from widthwise.study.configuration import allowed_values

INTRODUCTION = """\
# Configuration

Every key of a study's configuration. This page is printed by `python scripts/describe_config.py` from
[`schema.yaml`](schema.yaml), which also checks what you write: every error is told before any job starts, a line
each: at once, but for contradictions, which follow once no value is wrong. [`config.yaml`](config.yaml) is the default
study, [`circumstances.yaml`](circumstances.yaml) the catalogue; the other YAML files here are other studies, each with
its command in its first lines.

## Layers

A study is written as what differs from the default study, in files of its own, the later over the earlier:
`snakemake --cores 4 --configfile mine.yaml more.yaml`.

- Mappings merge: `training: {epochs: 10}` changes the epochs and leaves the rest of `training`.
- Lists are replaced whole: `widths: [2, 8, 26]` are all the widths then.
- `null` takes back: `circumstances: {no_l2: null}` drops a circumstance from the catalogue,
  `circumstances: {no_l2: {overrides: {training: {l2: null}}}}` an override, and `training: {epochs: null}` returns to
  the schema's default.
- Write `1.0e-5`, not `1e-5`, which YAML reads as text.

Give a study a results folder of its own, in `pathvars`; in one folder the last study's tables and figures stand.

## A new circumstance

is overrides of the as-posted settings, exactly one factor away from its reference, with the verdicts that you
expect, written down before the runs. A whole file, `mine.yaml`:

```yaml
pathvars: {results: results/mine}
study: [as_posted, stronger_l2]
circumstances:
  stronger_l2:
    hypothesis: A penalty ten times as strong raises the wide networks' objective ten times as much.
    source: Proportionality of the penalty to lambda.
    look_for: A penalty that is a large part of the reported loss.
    change: Compare widths on the data loss, or lower lambda.
    reference: as_posted
    expectation:
      objective: {starting_loss: rises, end_value: rises}
      contrast:
        objective: {starting_loss: rises}
    overrides:
      training: {l2: 1.0e-3}
```

`snakemake --cores 4 --configfile mine.yaml` runs it beside `as_posted`. With `depths` and `width`, depth grows instead
of width; with `learning_rates`, it is a grid of learning rates.

## Every key

*Posted* settings are the question's; *assumed* ones it left open, and every answer is conditional on them. Changing
`analysis`, `device` or a circumstance's texts trains nothing again.
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    schema = yaml.safe_load(Path("config/schema.yaml").read_text(encoding="utf-8"))
    study = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    top = {name: key for name, key in schema["properties"].items() if not members(key) and "$ref" not in key}
    top = {name: ({"default": study[name]} if name in study else {}) | key for name, key in top.items()}
    sections = {name: key for name, key in (schema["properties"] | schema["$defs"]).items() if members(key)}
    print(INTRODUCTION)
    print(section("The study", {"description": "At the top of the file.", "properties": top}, schema))
    for name, key in sections.items():
        print(section(f"`{name}`", key, schema))


def members(key: dict) -> dict:
    """The keys within a key, if it is a mapping of known ones."""
    return key.get("properties", {})


def section(title: str, key: dict, schema: dict) -> str:
    """A heading, a description, and a table with a row for every key within."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in rows_of(key, schema))
    header = "| key | what it says | allowed | default | |\n| --- | --- | --- | --- | --- |"
    return f"### {title}\n\n{key['description']}\n\n{header}\n{rows}\n"


def rows_of(key: dict, schema: dict, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """Key, description, allowed, default, origin: of every key within, and within those."""
    for name, inner in members(key).items():
        default = "required" if name in key.get("required", []) else as_yaml(inner)
        referred = schema["$defs"].get(reference(inner), {})
        description = inner.get("description") or referred["description"]
        yield f"`{prefix}{name}`", description, allowed(inner, referred), default, inner.get("origin", "")
        yield from rows_of(inner, schema, f"{prefix}{name}.")


def reference(key: dict) -> str:
    """The name of the definition that a key refers to."""
    return key.get("$ref", "").removeprefix("#/$defs/")


def allowed(key: dict, referred: dict) -> str:
    """What a key may be, in words; a mapping of keys that have a section of their own is a link to it."""
    if members(referred):
        return f"the keys of [{reference(key)}](#{reference(key)})"
    if members(key):
        return "these keys:"
    if entry := reference(key.get("additionalProperties") or {}):
        return f"names, each with the keys of [{entry}](#{entry})"
    if key.get("type") == "boolean":
        return "true, false"
    items = f", each {allowed_values(key['items'])}" if "items" in key else ""
    return allowed_values(referred or key) + items


def as_yaml(key: dict) -> str:
    """A default as YAML writes it."""
    return f"`{yaml.safe_dump(key['default'], default_flow_style=True).splitlines()[0]}`" if "default" in key else ""


if __name__ == "__main__":
    main()
