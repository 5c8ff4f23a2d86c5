"""Writing files so that they are complete or absent."""

import csv
import fcntl
import glob
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` if the block succeeds, removes it otherwise.

    Removes temporary files that killed processes left for the same path.

    Raises:
        OSError: naming `path`, if it cannot be written. The error of a full disk names no file by itself.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        remove_abandoned(path)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        raise OSError(f"{path}: cannot be written: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(path: Path) -> None:
    """Removes temporary files for `path` whose process no longer runs."""
    prefix = f".{path.name}."
    for other in path.parent.glob(f"{glob.escape(prefix)}*"):
        process = other.name.removeprefix(prefix)
        if process.isdecimal() and not is_running(int(process)):
            other.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Returns whether a process with this id runs on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def file_digest(path: Path) -> str:
    """Returns the hex SHA-256 of the file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, value: dict) -> None:
    """Writes `value` as indented JSON, keys in the order given."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Writes a CSV file whose floats read back to the same bits."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def claim(path: Path) -> TextIO:
    """Locks the file at `path` until the stream that is returned is closed, and writes into it who holds it.

    Raises BlockingIOError, with the holder as its text, where another process has it. Some file systems have no locks:
    there nothing is held.
    """
    stream = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.seek(0)
        holder = stream.read().strip() or "another process"
        stream.close()
        raise BlockingIOError(error.errno, holder) from None
    except OSError:
        return stream
    stream.truncate(0)
    stream.write(f"{Path.cwd()} (process {os.getpid()} on {platform.node()})\n")
    stream.flush()
    return stream
