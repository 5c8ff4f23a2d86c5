"""A digest of the code behind a script: of the script and of every module of this library that it imports.

It tells the workflow when a result was made by other code. Comments, docstrings and formatting do not count, nor does
where the checkout lies. Imports are found in the source, without importing anything.
"""

import ast
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


def code_digest(script: Path, *modules: str) -> str:
    """Hex digest over the syntax trees of `script` and of everything that it imports from the folder beside it.

    `modules` are imported by name when the script runs, as in "widthwise.figures.loss_curves".
    """
    digest = hashlib.sha256()
    for path in sorted(sources(script, *modules), key=lambda path: path.relative_to(script.parent)):
        digest.update(path.relative_to(script.parent).as_posix().encode())
        digest.update(read_module(path).code.encode())
    return digest.hexdigest()


def sources(script: Path, *modules: str) -> set[Path]:
    """The script, the modules, and everything under the script's folder that they import, directly or not."""
    root = script.parent
    found, pending = set(), {script, *(root.joinpath(*module.split(".")).with_suffix(".py") for module in modules)}
    while pending:
        path = pending.pop()
        found.add(path)
        pending |= imported_files(path, root) - found
    return found


def imported_files(path: Path, root: Path) -> set[Path]:
    """The files under `root` that one file imports, and the `__init__` files of their packages."""
    files = set()
    for name in read_module(path).imports:
        absolute = name.lstrip(".")
        # One dot is the package that the file is in, two the one above.
        dots = len(name) - len(absolute)
        parts = [*(path.relative_to(root).parts[:-dots] if dots else ()), *absolute.split(".")]
        for n in range(1, len(parts) + 1):
            files |= {root.joinpath(*parts[:n]).with_suffix(".py"), root.joinpath(*parts[:n], "__init__.py")}
    return {file for file in files if file.is_file()}


@dataclass(frozen=True)
class Module:
    """A file's code without comments, docstrings and formatting, and the names that it may import.

    Names that are imported relative to a package begin with its dots.
    """

    code: str
    imports: frozenset[str]


@cache  # most programs share most files
def read_module(path: Path) -> Module:
    """Parses a file."""
    tree, imports = ast.parse(path.read_text(encoding="utf-8"), str(path)), set()
    for node in ast.walk(tree):
        may_have_docstring = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if may_have_docstring and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        elif isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (f"{node.module}." if node.module else "")
            imports |= {f"{module}{alias.name}" for alias in node.names}
    return Module(ast.unparse(tree), frozenset(imports))
