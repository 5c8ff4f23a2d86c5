"""Identity of a user's data file: by its content, so that moving or touching the file changes nothing."""

import json
import logging
from pathlib import Path
from typing import Any

from widthwise.files import file_digest, write_json

LOG = logging.getLogger("source")


class SourceError(ValueError):
    """A file that cannot be imported; one line that names it."""


def source_of(path: Path, summary: Path) -> dict[str, Any]:
    """Returns the file's path, size in bytes, modification time (ns) and SHA-256.

    The content is read only if path, size or time are new, so the workflow can ask in every job; the answer is kept
    beside `summary`. A file that was imported need not exist any more: the study goes on with what was imported.

    Args:
        path: the file.
        summary: what import_dataset wrote, or will write, beside the imported arrays.

    Raises:
        SourceError: if the file cannot be read and was not imported, or is what import_dataset itself writes.
    """
    if path.resolve() == summary.with_suffix(".h5").resolve():
        raise SourceError(f"{path} is what the study itself writes; keep your file elsewhere")
    known_file = summary.with_suffix(".source.json")
    known = json.loads(known_file.read_text(encoding="utf-8")) if known_file.exists() else {}
    try:
        state = path.stat()
        source = {"path": str(path), "bytes": state.st_size, "modified_ns": state.st_mtime_ns}
        if source.items() <= known.items():
            return known
        source["sha256"] = file_digest(path)
    except OSError as error:
        imported = json.loads(summary.read_text(encoding="utf-8")).get("source", {}) if summary.exists() else {}
        if imported.get("path") != str(path):
            raise SourceError(
                f"{path} cannot be read: {error.strerror} (paths are relative to {Path.cwd()})"
            ) from error
        LOG.warning("%s cannot be read (%s); going on with what was imported from it", path, error.strerror)
        return imported
    known_file.parent.mkdir(parents=True, exist_ok=True)
    write_json(known_file, source)
    return source
