"""A user's own network, known by its source: what its factory accepts, and a digest of the code behind it.

Nothing is imported here; `model.factory` calls the factory.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from widthwise.study.code_digest import code_digest

# What every factory is called with.
ARGUMENTS = ("width", "classes", "shape")
# Settings of `network` that mean nothing without a factory, and those that work on any network.
FACTORY_KEYS = ("factory", "options")
FOLLOWED = ("options", "initialisation", "initial_std", "precision")


class FactoryError(ValueError):
    """A factory that cannot be called; one line that names the file."""


@dataclass(frozen=True)
class Factory:
    """The function `name` in `file`, which builds a network.

    Attributes:
        accepts: its arguments; None if it takes any (`**options`), or if it is imported or assigned in its file.
        required: those without a default.
        code: a digest of the file's code and of what it imports from its own folder.
    """

    file: Path
    name: str
    accepts: tuple[str, ...] | None
    required: tuple[str, ...]
    code: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads the factory that is written FILE.py:NAME.

        Raises FactoryError where the file cannot be read or has no such function, or where the function does not accept
        what every factory is called with.
        """
        path, _, name = text.rpartition(":")
        if not path.endswith(".py") or not name.isidentifier():
            raise FactoryError(f"{text} given; write FILE.py:FUNCTION, as in my_network.py:build")
        file, signature = Path(path), f"def {name}({', '.join(ARGUMENTS)})"
        try:
            tree, code = ast.parse(file.read_text(encoding="utf-8"), path), code_digest(file)
        except OSError as error:
            raise FactoryError(
                f"{error.filename} cannot be read: {error.strerror} (paths are relative to {Path.cwd()})"
            ) from error
        except SyntaxError as error:
            raise FactoryError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
        except ValueError as error:  # such as bytes that are no UTF-8
            raise FactoryError(f"{path} or what it imports is no Python source: {error}") from error
        definition = next((node for node in reversed(tree.body) if defines(node, name)), None)
        if definition is None:
            raise FactoryError(f"{path} has no function {name} at the top level of the file; write {signature} there")
        arguments = arguments_of(definition)
        if arguments is None:
            return cls(file, name, None, (), code)
        accepts, required = names_of(arguments)
        missing = [argument for argument in ARGUMENTS if argument not in accepts]
        if missing and not arguments.kwarg:
            raise FactoryError(f"{path}: {name} does not accept {', '.join(missing)}; write {signature}")
        return cls(file, name, None if arguments.kwarg else accepts, required, code)

    def takes(self, name: str) -> bool:
        """Whether it accepts an argument of this name."""
        return self.accepts is None or name in self.accepts

    def faults(self, given: Iterable[str]) -> list[str]:
        """What is wrong with calling it with these options besides what every factory is called with."""
        taken = [name for name in ARGUMENTS if name in given]
        given = {*ARGUMENTS, *given}
        unknown = sorted(name for name in given if not self.takes(name))
        lacking = [name for name in self.required if name not in given]
        faults = {
            "given by the study itself; take it out": taken,
            f"not accepted by {self}, which accepts {self.options}; take it out": unknown,
            f"required by {self}; write it in network.options": lacking,
        }
        return [f"{', '.join(names)}: {fault}" for fault, names in faults.items() if names]

    @property
    def options(self) -> str:
        """What it accepts besides what every factory is called with, in words."""
        if self.accepts is None:
            return "any options"
        return ", ".join(name for name in self.accepts if name not in ARGUMENTS) or "no options"

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"


def defines(node: ast.stmt, name: str) -> bool:
    """Whether a statement gives a name its meaning: a function, an import or an assignment."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return node.name == name
        case ast.Import() | ast.ImportFrom():
            return name in (alias.asname or alias.name for alias in node.names)
        case ast.Assign(targets=targets) | ast.AnnAssign(target=targets):
            targets = targets if isinstance(targets, list) else [targets]
            return any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return False


def arguments_of(definition: ast.stmt) -> ast.arguments | None:
    """The arguments of a function, or of a class without `self`; None where its definition does not tell them."""
    match definition:
        case ast.FunctionDef():
            return definition.args
        case ast.ClassDef():
            for method in definition.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    del method.args.args[:1]
                    return method.args
    return None


def names_of(arguments: ast.arguments) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What can be given by name, and what of that has no default."""
    count = len(arguments.args)
    defaults = arguments.defaults[-count:] if count else []
    required = [
        *arguments.args[: count - len(defaults)],
        *(item for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default),
    ]
    accepts = (*arguments.args, *arguments.kwonlyargs)
    return tuple(item.arg for item in accepts), tuple(item.arg for item in required)
