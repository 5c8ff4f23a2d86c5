"""What every rule must have, and what its environment must provide."""

import ast
import re
import sys
import textwrap

import pytest
import yaml
from settings import ROOT

from widthwise.source_digest import sources


def without_conditions(text):
    """Rules that stand under an `if` or `else`, as if they did not."""
    blocks = re.compile(r"^(?:if .*|else):\n((?:    .*\n|\n)+)", re.MULTILINE)
    return blocks.sub(lambda block: textwrap.dedent(block[1]), text)


RULES = {
    name: (file.stem, body)
    for file in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(
        r"^rule (\w+):\n(.*?)(?=^\S|\Z)", without_conditions(file.read_text()), re.MULTILINE | re.DOTALL
    )
}
PACKAGES = {"markdown_it": "markdown-it-py"}


def test_the_rules_are_found():
    assert {"generate_dataset", "import_dataset", "train", "gather_study", "loss_curves"} <= RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_documented_and_complete(name):
    _, body = RULES[name]
    assert re.match(r'    """\w.*\."""\n', body)
    for directive in ("output", "log", "params", "threads", "resources", "conda", "shell"):
        assert re.search(rf"^    {directive}:", body, re.MULTILINE), directive
    assert "mem_mb=" in body
    assert "runtime=" in body
    assert ("benchmark:" in body) != ("cache: True" in body)
    for directive in ("input", "output"):
        block = re.search(rf"^    {directive}:\n((?:        .*\n)+)", body, re.MULTILINE)
        entries = re.findall(r"^        (?=\w)(.*)", block[1], re.MULTILINE) if block else []
        assert all(re.match(r"\w+=|multiext\(", entry) for entry in entries), entries
    script = re.search(r'code\("(\w+)"\)', body)[1]
    assert f"python scripts/{script}.py" in body
    assert script == name or script.startswith(name.split("_")[0])
    assert "> {log} 2>&1" in body


@pytest.mark.parametrize("name", RULES)
def test_a_rules_conda_file_provides_what_its_script_imports(name):
    stage, body = RULES[name]
    conda = re.search(r'"\.\./envs/(\w+)\.yaml"', body)[1]
    assert conda == stage
    provided = yaml.safe_load((ROOT / f"envs/{conda}.yaml").read_text())["dependencies"][-1]["pip"]
    provided = {re.split("==", pin)[0] for pin in provided}
    imported = set()
    for source in sources(ROOT / f"scripts/{re.search(r'python scripts/(.*?)[.]py', body)[1]}.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    imported = {PACKAGES.get(package, package) for package in imported}
    assert imported - set(sys.stdlib_module_names) - {"widthwise"} <= provided
