"""Prints the rules of the workflow in this folder as JSON, as Snakemake has them once it has read the workflow.

    python describe_rules.py [CONFIGFILE ...]

An entry per rule: its texts, the program that its shell command runs, the modules that this program imports by name,
and what else the rule declares. Functions, which need a job, are shown as null.
"""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings


def describe(rule: Rule) -> dict[str, Any]:
    """What a rule declares."""
    command = rule.shellcmd or ""
    program = re.search(r"\bpython scripts/(\S+)\.py\b", command)
    name = rule.params.get("name")
    return {
        "docstring": (rule.docstring or "").strip(),
        "command": command,
        "program": program and program[1],
        "modules": [f"widthwise.figures.{name}"] if name else [],
        "code": rule.params.get("code"),
        "conda": Path(rule.conda_env).name if rule.conda_env else None,
        "log": [str(path) for path in rule.log],
        "benchmark": str(rule.benchmark) if rule.benchmark else None,
        "cached": bool(rule.cache.flag),
        "submitted": rule.name not in rule.workflow._localrules,
        "threads": rule.ruleinfo.threads is not None,
        "resources": sorted(rule.resources),
        "growing": sorted(name for name, resource in rule.resources.items() if grows(resource)),
        "retries": rule.ruleinfo.retries,
        "unnamed": [str(path) for files in (rule.input, rule.output) for path in unnamed(files)],
    }


def grows(resource: Any) -> bool:
    """Whether a resource depends on how often a job was tried before."""
    return resource.is_evaluable() and "attempt" in inspect.signature(resource._evaluator).parameters


def unnamed(files: Any) -> list[Any]:
    """Those of a rule's files that have no name."""
    named = set()
    for _, (start, end) in files._get_names():
        named |= set(range(start, start + 1 if end is None else end))
    return [path for index, path in enumerate(files) if index not in named]


def main() -> None:
    configfiles = [Path(name) for name in sys.argv[1:]]
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=configfiles),
            snakefile=Path("Snakefile"),
        )._workflow
        rules = {rule.name: describe(rule) for rule in workflow.rules if rule.shellcmd}
    print(json.dumps(rules))


if __name__ == "__main__":
    main()
