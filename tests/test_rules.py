"""What every rule must have, and what its environment must provide."""

import ast
import itertools
import re
import sys
import textwrap

import pytest
import yaml
from conftest import run_snakemake
from settings import ROOT

from widthwise.study.code_digest import sources


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
PACKAGES = {"markdown_it": "markdown-it-py", "vl_convert": "vl-convert-python"}


def test_the_rules_are_found():
    assert {"generate_dataset", "import_dataset", "train", "gather_study", "loss_curves"} <= RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_documented_and_complete(name):
    _, body = RULES[name]
    assert re.match(r'    """\w.*\."""\n', body)
    told = name == "estimate"  # it makes nothing but what it says, each time that it is asked
    for directive in ("log", "params", "threads", "resources", "conda", "shell", *([] if told else ["output"])):
        assert re.search(rf"^    {directive}:", body, re.MULTILINE), directive
    assert "mem_mb=" in body
    assert "runtime=" in body
    assert ("benchmark:" in body) + ("cache: True" in body) + told == 1
    for directive in ("input", "output"):
        block = re.search(rf"^    {directive}:\n((?:        .*\n)+)", body, re.MULTILINE)
        entries = re.findall(r"^        (?=[\w*])(.*)", block[1], re.MULTILINE) if block else []
        assert all(re.match(r"\w+=|multiext\(|\*\*figure\(", entry) for entry in entries), entries
    script = re.search(r'code\("(\w+)"\)', body)[1]
    assert f"python scripts/{script}.py" in body
    assert script == name or script.startswith(name.split("_")[0])
    assert "> {log} 2>&1" in body or "2>&1 | tee {log}" in body


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


def arrows(graph: str) -> set[tuple[str, str]]:
    """The arrows of a graph in Mermaid's words, where a chain has several and `&` means each."""
    chains = [[re.findall(r"\w+", part) for part in line.split("-->")] for line in graph.splitlines() if "-->" in line]
    links = [link for chain in chains for link in itertools.pairwise(chain)]
    return {arrow for sources, targets in links for arrow in itertools.product(sources, targets)}


def test_the_readme_shows_the_rules_as_the_workflow_has_them(checkout):
    printed = run_snakemake(checkout, "--rulegraph", "mermaid-js").stdout
    names = dict(re.findall(r"^\t(id\d+)\[(\w+)\]$", printed, re.MULTILINE))
    workflow = {(names[source], names[target]) for source, target in arrows(printed)}
    shown = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert arrows(shown) == {(source, target) for source, target in workflow if target != "all"}
