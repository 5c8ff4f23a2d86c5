"""Runs a program of the checkout in this process."""

import sys
from types import ModuleType
from typing import Any


def run_program(program: ModuleType, *arguments: Any) -> None:
    """Calls the program's `main` with these arguments on its command line."""
    before, sys.argv = sys.argv, [program.__name__, *map(str, arguments)]
    try:
        program.main()
    finally:
        sys.argv = before
