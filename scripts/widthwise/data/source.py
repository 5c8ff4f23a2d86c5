"""Identity of a user's data: by the content of all files, so that moving or touching them changes nothing."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from widthwise.data.samples import SourceError, list_files
from widthwise.files import file_digest, write_json

LOG = logging.getLogger("source")


def source_of(path: Path, settings: dict[str, Any], summary: Path) -> dict[str, Any] | None:
    """Returns the path, the number of files, their bytes, a digest of the listing, and the SHA-256 of the content.

    The listing is the files' names, sizes and modification times. The content is read only if path or listing are new,
    so the workflow can ask in every job; the answer is kept beside `summary`. Data that were imported need not exist
    any more: then None is returned, and the study goes on with what was imported.

    Args:
        path: a file, a folder or a table, as `samples.list_files` takes it.
        settings: how import_dataset reads it.
        summary: what import_dataset wrote, or will write, beside the imported arrays.

    Raises:
        SourceError: if a file cannot be read and was not imported with these settings, or is what import_dataset itself
            writes.
    """
    if path.resolve() == summary.with_suffix(".h5").resolve():
        raise SourceError(f"{path} is what the study itself writes; keep your file elsewhere")
    known_file = summary.with_suffix(".source.json")
    known = json.loads(known_file.read_text(encoding="utf-8")) if known_file.exists() else {}
    try:
        files = list_files(path)
        states = [file.stat() for _, file in files]
        listing = [
            f"{name} {state.st_size} {state.st_mtime_ns}" for (name, _), state in zip(files, states, strict=True)
        ]
        source = {
            "path": str(path),
            "files": len(files),
            "bytes": sum(state.st_size for state in states),
            "listing": text_digest(listing),
        }
        if source.items() <= known.items():
            return known
        digests = [f"{name} {file_digest(file)}" for name, file in files]
    except OSError as error:
        check_imported(path, settings, summary, error)
        LOG.warning("%s cannot be read (%s); going on with what was imported from it", path, error.strerror)
        return None
    source["sha256"] = text_digest(digests)
    known_file.parent.mkdir(parents=True, exist_ok=True)
    write_json(known_file, source)
    return source


def check_imported(path: Path, settings: dict[str, Any], summary: Path, error: OSError) -> None:
    """Checks that data that can no longer be read were imported with these settings. Raises SourceError."""
    there = summary.exists() and summary.with_suffix(".h5").exists()
    imported = json.loads(summary.read_text(encoding="utf-8")) if there else {}
    if imported.get("source", {}).get("path") != str(path):
        raise SourceError(
            f"{error.filename or path} cannot be read: {error.strerror} (paths are relative to {Path.cwd()})"
        ) from error
    used = imported.get("settings", {})
    if changed := [f"dataset.{key}" for key in settings if key not in used or used[key] != settings[key]]:
        raise SourceError(
            f"{path} cannot be read, so {' and '.join(changed)} cannot change: restore the file, or the setting"
        ) from error


def text_digest(lines: list[str]) -> str:
    """Returns the hex SHA-256 of lines of text."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
