"""Checks a configuration against its schema, and fills in the schema's defaults.

It knows JSON Schema and nothing of what the keys mean. Each fault becomes one line: the key, what was given, and what
is allowed.
"""

import copy
import difflib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
}
# Text that YAML reads as a number or a truth value, unless it is quoted.
YAML_VALUE = re.compile(r"[-+]?(\d+|\d+\.\d*(e[-+]\d+)?)|true|false", re.IGNORECASE)
BOUND_NAMES = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "of at least {} entries",
    "maxItems": "of at most {} entries",
    "minProperties": "of at least {} keys",
    "minLength": "of at least {} characters",
}


def without_nulls(value: Any) -> Any:
    """Removes null entries: a later file deletes a key with null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def foreign_to_json(value: Any, key: str = "") -> Iterator[str]:
    """Yields a line for each key that is no text, and for each value that JSON lacks, as a date or .nan."""
    prefix = f"{key}." if key else ""
    match value:
        case dict():
            for name, item in value.items():
                if isinstance(name, str):
                    yield from foreign_to_json(item, f"{prefix}{name}")
                else:
                    yield f"{prefix}{shorten(name)}: a key that YAML does not read as text; write it in quotes"
        case list() | tuple():
            for place, item in enumerate(value):
                yield from foreign_to_json(item, f"{prefix}{place}")
        case float() if not math.isfinite(value):
            yield f"{key}: given {shorten(value)}; allowed: a finite number"
        case str() | int() | float() | None:
            pass
        case _:
            yield f"{key}: {value} given, which YAML reads as a {type(value).__name__}; write it in quotes"


def expanded_path(text: str) -> str:
    """A path with `~` and environment variables replaced. What is not known stays as it is."""
    path = Path(os.path.expandvars(text))
    try:
        return str(path.expanduser())
    except RuntimeError:  # no such user
        return str(path)


def with_defaults(config: dict, schema: dict) -> dict:
    """A copy of a valid config with the schema's defaults, but none within a circumstance's overrides."""
    filled = copy.deepcopy(config)
    for key, subschema in schema["properties"].items():
        if "default" in subschema:
            filled.setdefault(key, copy.deepcopy(subschema["default"]))
        if "$ref" in subschema:
            subschema = schema["$defs"][subschema["$ref"].removeprefix("#/$defs/")]
        if "properties" in subschema:
            filled[key] = with_defaults(filled[key], subschema)
    return filled


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value; YAML's .nan and .inf are refused."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: is_number(value)),
)


def schema_errors(config: dict, schema: dict) -> list[str]:
    """Returns a line for each fault of the configuration."""
    errors = sorted(Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [line for error in errors for line in describe(error)]


def describe(error: ValidationError) -> list[str]:
    """Turns an error of jsonschema into lines: the key, what was given, what is allowed."""
    key = ".".join(map(str, error.absolute_path))
    prefix = f"{key}." if key else ""
    match error.validator:
        case "additionalProperties":
            allowed = error.schema["properties"]
            return [
                f"{prefix}{name}: unknown key, given {shorten(error.instance[name])}; " + alternatives(name, allowed)
                for name in error.instance
                if name not in allowed
            ]
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return [f"{prefix}{name}: missing, and has no default" for name in missing]
        case "uniqueItems":
            repeated = [json.loads(item) for item, n in Counter(map(json.dumps, error.instance)).items() if n > 1]
            return [f"{key}: given {shorten(repeated[0])} more than once; allowed: each once"]
        case "oneOf":
            choices = ", ".join(choice["required"][0] for choice in error.validator_value)
            return [f"{key}: {shorten(error.instance)} given; write exactly one of {choices}"]
        case "pattern":
            name = error.instance
            return [f"{prefix}{name}: not a name; allowed: lower-case letters, digits and _, a letter first"]
    wrong_type = hint(error.instance) if error.validator == "type" else ""
    return [f"{key}: given {shorten(error.instance)}; allowed: {allowed_values(error.schema)}{wrong_type}"]


def allowed_values(schema: dict) -> str:
    """Says what a schema of one value allows."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    bounds = [text.format(schema[bound]) for bound, text in BOUND_NAMES.items() if bound in schema]
    return f"{TYPE_NAMES[schema['type']]} {' and '.join(bounds)}".rstrip()


def hint(value: Any) -> str:
    """What to write instead of a value of the wrong type, where a number or a truth value was read as text."""
    if not isinstance(value, str):
        return ""
    if YAML_VALUE.fullmatch(value):
        return (
            f" (text: write {value} without quotes, and in a file for --configfile: in lists and mappings of "
            "--config, snakemake reads it as text)"
        )
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    # YAML 1.1 takes an exponent for a number's only behind a point and before a sign.
    mantissa, exponent = f"{number:.6e}".split("e")
    mantissa = mantissa.rstrip("0") + ("0" if mantissa.rstrip("0").endswith(".") else "")
    return f" (YAML reads {value} as text: write {mantissa}e{int(exponent):+d})"


def alternatives(name: str, allowed: Iterable[str]) -> str:
    """The names that are allowed, the most similar one first."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return (f"did you mean {close[0]}? " if close else "") + "allowed: " + ", ".join(allowed)


def shorten(value: Any) -> str:
    """A value as JSON, cut off after 57 characters if it is longer than 60."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
