"""Files that only their owner may read, replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str, *, is_synced: bool = False) -> None:
    """Write a file; with `is_synced` the old one or the new one is there even if the power fails. Raises `OSError`."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)
