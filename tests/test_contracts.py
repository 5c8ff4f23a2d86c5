"""The contracts between the library's packages: who may import whom, and what planning a study must not load."""

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache

from settings import ROOT, SCHEMA, default_config

SCRIPTS = ROOT / "scripts"
LIBRARY = SCRIPTS / "widthwise"
MODULES = {
    path.relative_to(SCRIPTS).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
    for path in sorted(LIBRARY.rglob("*.py"))
}
# A package imports from itself and from those before it. The first two are modules, and import nothing of ours.
ORDER = [{"files", "program"}, {"study"}, {"data"}, {"model"}, {"training"}, {"analysis"}, {"report"}, {"figures"}]
RANK = {package: rank for rank, packages in enumerate(ORDER) for package in packages}
HEAVY = {"torch", "numpy", "pandas", "h5py", "matplotlib"}
FORBIDDEN = {
    "files": HEAVY,
    "program": HEAVY,
    "study": HEAVY,
    "data": {"torch", "pandas", "matplotlib"},
    "model": {"pandas", "h5py", "matplotlib"},
    "training": {"pandas", "matplotlib"},
    "analysis": {"torch", "h5py", "matplotlib"},
    "report": {"torch", "matplotlib"},
    "figures": {"torch"},
}
# The modules of a package that may read and write files.
KNOW_FILES = {"model": {"factory"}, "training": {"checkpoint", "device"}, "analysis": {"tables"}}
FILE_MODULES = {"pathlib", "io", "os.path", "shutil", "tempfile", "glob", "csv", "h5py", "widthwise.files"}
FILE_CALLS = {"open", "read_csv", "to_csv", "read_text", "write_text", "load", "savez"}


def package(module: str) -> str | None:
    """The package, or the module at the top, that a module belongs to; None for the library itself."""
    return module.split(".")[1] if "." in module else None


@cache
def syntax_tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """The names of all modules that a module imports, within functions too."""
    names = set()
    for node in ast.walk(syntax_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys() or {node.module}
    return frozenset(names)


def ours(module: str) -> set[str]:
    """The modules of the library that a module imports."""
    return imports(module) & MODULES.keys()


def reached(module: str) -> set[str]:
    """The module, and all modules of the library that are loaded with it."""
    found, pending = set(), {module}
    while pending:
        name = pending.pop()
        found.add(name)
        parents = {name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)}
        pending |= (ours(name) | parents) - found
    return found


def libraries(module: str) -> set[str]:
    """The libraries that are loaded with a module, as far as ours ask for them."""
    return {name.split(".")[0] for other in reached(module) for name in imports(other)} - {"widthwise"}


def violations(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: names for module, names in found.items() if names}


def test_every_package_has_its_place():
    assert {package(module) for module in MODULES} - {None} == RANK.keys()


def test_nothing_imports_what_comes_after_it():
    def later(module):
        rank = RANK.get(package(module), -1)
        return {name for name in ours(module) if RANK[package(name)] > rank or (rank == 0 and name != module)}

    assert not violations({module: later(module) for module in MODULES})


def test_modules_import_each_other_in_no_circle():
    order = list(graphlib.TopologicalSorter({module: ours(module) for module in MODULES}).static_order())
    assert len(order) == len(MODULES)


def test_what_is_imported_of_the_library_is_there_and_no_program():
    programs = {path.stem for path in SCRIPTS.glob("*.py")}

    def unknown(module):
        return {
            name
            for name in imports(module)
            if name.split(".")[0] in programs or (name.split(".")[0] == "widthwise" and name not in MODULES)
        }

    assert not violations({module: unknown(module) for module in MODULES})


def test_packages_do_without_the_libraries_that_are_not_theirs():
    forbidden = {module: FORBIDDEN.get(package(module), set()) for module in MODULES}
    forbidden["widthwise.data.source"] = HEAVY
    # Data are h5py's, and the training reads them: what is asked of a package is asked of its own modules, unless
    # planning loads it.
    found = {}
    for module, names in forbidden.items():
        loaded = libraries(module) if names == HEAVY else {name.split(".")[0] for name in imports(module)}
        found[module] = loaded & names
    assert not violations(found)
    without_torch = [module for module in MODULES if package(module) in ("analysis", "report", "figures")]
    assert not [module for module in without_torch if "torch" in libraries(module)]


def test_few_modules_know_files():
    def file_access(module):
        nodes = ast.walk(syntax_tree(module))
        calls = [node.func for node in nodes if isinstance(node, ast.Call)]
        names = {call.id if isinstance(call, ast.Name) else getattr(call, "attr", None) for call in calls}
        return (imports(module) & FILE_MODULES) | (names & FILE_CALLS)

    strict = [
        module
        for module in MODULES
        if package(module) in KNOW_FILES and module.split(".")[-1] not in KNOW_FILES[package(module)]
    ]
    assert len(strict) > 15
    assert not violations({module: file_access(module) for module in strict})


def words_of(schema) -> set[str]:
    """The keys and the values that the schema knows."""
    if not isinstance(schema, dict):
        return set()
    own = {*schema.get("properties", {}), *map(str, schema.get("enum", []))}
    return own.union(*map(words_of, schema.values()))


def test_names_of_the_catalogue_stand_in_the_catalogue_alone():
    # Some are words of the configuration too, as dropout is.
    config = default_config()
    names = {*config["circumstances"], *config["claims"]} - words_of(SCHEMA) - {"baseline"}
    assert {"no_l2", "high_learning_rate_mup", "low_rate"} <= names
    found = {}
    for module in MODULES:
        constants = {node.value for node in ast.walk(syntax_tree(module)) if isinstance(node, ast.Constant)}
        found[module] = {value for value in constants if isinstance(value, str)} & names
    assert not violations(found)


def test_planning_a_study_loads_none_of_the_large_libraries():
    text = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])
    lines = re.findall(r"^from widthwise[^\n(]*(?:\([^)]*\))?", text, re.MULTILINE)
    assert any("widthwise.study.curves" in line for line in lines)
    program = [
        "import sys, yaml",
        *lines,
        "config = {}",
        "for name in ('circumstances', 'config'):",
        "    config |= yaml.safe_load(open(f'config/{name}.yaml'))",
        "study = study_of(config, yaml.safe_load(open('config/schema.yaml')))",
        "study.starts, study.record, study.work(study.synthetic_summary, {})",
        "print(*sys.modules)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        cwd=ROOT,
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"widthwise", "jsonschema", "yaml"} <= loaded
    assert not loaded & HEAVY
