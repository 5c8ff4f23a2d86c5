"""Outputs that are whole or not there: written aside, renamed last.

A job that is killed, or whose disk is full, leaves nothing that could be taken for its result. It is given a
path and never chooses one.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; moves it there if the block ends well, removes it if not.

    Raises OSError that names `path` where it cannot be written: a full disk's own error names no file.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        aside.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        raise OSError(f"{path}: cannot be written: {reason}") from error
    finally:
        aside.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Hex SHA-256 of the file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, value: dict) -> None:
    """Writes `value` for people and programs alike: indented, in the order given."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Writes a CSV whose floats read back to the same bits."""
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
