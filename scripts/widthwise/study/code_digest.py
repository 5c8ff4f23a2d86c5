"""A digest of the code behind a script: of the script and of every module of this library that it imports.

It tells the workflow when a result was made by other code. Comments, docstrings and layout do not count, nor
does where the checkout lies. The imports are found in the source, so that nobody keeps a list; it must not
import what it reads.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path


def source_digest(script: Path) -> str:
    """Hex digest over the syntax trees of `script` and of what it imports from the folder beside it."""
    digest = hashlib.sha256()
    for path in sorted(sources(script), key=lambda path: path.relative_to(script.parent)):
        digest.update(path.relative_to(script.parent).as_posix().encode())
        digest.update(ast.unparse(syntax_tree(path)).encode())
    return digest.hexdigest()


def sources(script: Path) -> set[Path]:
    """The script and all modules under its folder that it imports, directly or not."""
    found, pending = set(), {script}
    while pending:
        path = pending.pop()
        found.add(path)
        pending |= imported_files(path, script.parent) - found
    return found


def imported_files(path: Path, root: Path) -> set[Path]:
    """The files under `root` that one file's import statements name, packages' `__init__` included."""
    names = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = set()
    for name in names:
        parts = name.split(".")
        files.add(root.joinpath(*parts).with_suffix(".py"))
        files |= {root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)}
    return {file for file in files if file.is_file()}


@cache
def syntax_tree(path: Path) -> ast.Module:
    """The file's syntax tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        may_have_docstring = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if may_have_docstring and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree
