"""Which file a user's own data come from, and whether it is still the one that was read.

A file is known by its content: moved or touched it is the same one. It must not know formats, nor import h5py: the
workflow asks in every job.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from widthwise.files import file_digest


def source_of(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """The file's path, size in bytes, time of change (ns) and the SHA-256 of its content.

    The content is read only where `known`, an earlier answer or nothing, speaks of another path, size or time. Raises
    OSError where there is no such file.
    """
    state = path.stat()
    source = {"path": str(path), "bytes": state.st_size, "modified_ns": state.st_mtime_ns}
    if source.items() <= known.items():
        return dict(known)
    return source | {"sha256": file_digest(path)}
