"""The page of all keys is what the schema says, and settings are printed as the programs take them."""

import json
import subprocess
import sys

import pytest
from settings import OWN_DATA, ROOT, SCHEMA, default_study, load, study_with

from widthwise.study.description import describe_configuration, describe_settings
from widthwise.study.settings import RunSettings


@pytest.fixture(scope="module")
def page() -> str:
    return describe_configuration(SCHEMA, load("config.yaml"))


def test_the_page_in_the_checkout_is_what_the_schema_says():
    command = [sys.executable, "scripts/study.py", "describe-config"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "config/keys.md").read_text() == printed, "python scripts/study.py describe-config > config/keys.md"


def test_the_page_describes_every_key(page):
    def keys(schema, prefix=""):
        for name, key in schema.get("properties", {}).items():
            yield f"{prefix}{name}"
            yield from keys(key, f"{prefix}{name}.")

    for name, section in (SCHEMA["properties"] | SCHEMA["$defs"]).items():
        if "properties" in section:
            text = page.split(f"### `{name}`\n")[1].split("\n### ")[0]
            assert all(f"| `{key}` |" in text for key in keys(section))


def test_a_row_says_what_is_allowed_and_the_default():
    schema = {
        "properties": {
            "seeds": {
                "description": "Seeds.",
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 2,
            },
            "training": {"$ref": "#/$defs/training", "default": {}},
            "entries": {
                "description": "Entries.",
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/training"},
            },
        },
        "$defs": {
            "training": {
                "description": "How.",
                "required": ["rate"],
                "properties": {
                    "rate": {"description": "A rate.", "type": "number", "exclusiveMinimum": 0, "origin": "posted"},
                    "on": {"description": "Whether.", "type": "boolean", "default": False, "origin": "assumed"},
                    "part": {
                        "description": "A part.",
                        "properties": {"kind": {"description": "Its kind.", "enum": ["a", "b"], "default": "a"}},
                    },
                },
            }
        },
    }
    page = describe_configuration(schema, {"seeds": [0, 1]})
    allowed = "a list of at least 2 entries, each an integer at least 0"
    assert f"| `seeds` | Seeds. | {allowed} | `[0, 1]` |  |" in page
    assert "| `entries` | Entries. | names, each with the keys of [training](#training) |  |  |" in page
    assert "| `rate` | A rate. | a number above 0 | required | posted |" in page
    assert "| `on` | Whether. | true, false | `false` | assumed |" in page
    assert "| `part` | A part. | the keys below |  |  |" in page
    assert "| `part.kind` | Its kind. | a, b | `a` |  |" in page


def test_settings_are_printed_as_the_programs_take_them():
    study = default_study()
    printed = json.loads(describe_settings(study, "no_l2/width8/seed1"))
    assert RunSettings.from_dict(printed) == study.run_settings("no_l2", "width8", 1)
    assert json.loads(describe_settings(study, "dataset/seed0")) == study.dataset
    for wrong in ("no_l2/width9/seed1", "dataset/seed9", "dataset/own", ""):
        with pytest.raises(ValueError, match="write for example dataset/seed0 or baseline/width26/seed0"):
            describe_settings(study, wrong)


def test_own_data_have_no_settings():
    study = study_with(*OWN_DATA)
    with pytest.raises(ValueError, match=r"own data have no settings; they are imported from cubes\.npz"):
        describe_settings(study, "dataset/own")
