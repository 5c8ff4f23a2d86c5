"""A configuration against its schema: nulls, defaults, and every error in a person's words.

Knows JSON Schema and nothing of what the keys mean. Where jsonschema reports a fault over several lines, this
gives one: the key, what was given, what is allowed.
"""

import copy
import difflib
import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
}
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
    """Drops what is null: how a layered file takes back a circumstance or an override."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def whole_numbers_as_integers(value: Any) -> Any:
    """The value with 1 for every 1.0, so that neither a repeat nor a change hides behind a way of writing."""
    match value:
        case dict():
            return {key: whole_numbers_as_integers(item) for key, item in value.items()}
        case list():
            return [whole_numbers_as_integers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


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


def is_finite_number(checker: Any, instance: Any) -> bool:
    """A number of JSON's: YAML's .nan and .inf would pass every bound, or none."""
    return Draft202012Validator.TYPE_CHECKER.is_type(instance, "number") and math.isfinite(instance)


Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", is_finite_number),
)


def schema_errors(config: dict, schema: dict) -> list[str]:
    """A line for each way in which the config is outside the schema."""
    errors = sorted(Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [line for error in errors for line in describe(error)]


def describe(error: ValidationError) -> list[str]:
    """One line for each fault: the key, what was given, what is allowed."""
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
        case "pattern":
            name = error.instance
            return [f"{prefix}{name}: not a name; allowed: lower-case letters, digits and _, a letter first"]
    return [f"{key}: given {shorten(error.instance)}; allowed: {allowed_values(error.schema)}{hint(error)}"]


def allowed_values(schema: dict) -> str:
    """What a schema of one value allows, in words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    bounds = [text.format(schema[bound]) for bound, text in BOUND_NAMES.items() if bound in schema]
    return f"{TYPE_NAMES[schema['type']]} {' and '.join(bounds)}".rstrip()


def hint(error: ValidationError) -> str:
    """What to write instead, where a number was read as text."""
    if error.validator != "type" or not isinstance(error.instance, str):
        return ""
    try:
        number = float(error.instance)
    except ValueError:
        return ""
    # YAML 1.1 takes an exponent for a number's only behind a point and before a sign.
    mantissa, exponent = f"{number:.6e}".split("e")
    mantissa = mantissa.rstrip("0") + ("0" if mantissa.rstrip("0").endswith(".") else "")
    return f" (YAML reads {error.instance} as text: write {mantissa}e{int(exponent):+d})"


def alternatives(name: str, allowed: Iterable[str]) -> str:
    """What may stand in a name's place, the likeliest first."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return (f"did you mean {close[0]}? " if close else "") + "allowed: " + ", ".join(allowed)


def shorten(value: Any, length: int = 60) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= length else text[: length - 3] + "..."
