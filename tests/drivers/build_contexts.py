"""Contexts of builds as tests send them."""

from __future__ import annotations

import io
import tarfile


def context_of(dockerfile: str, **files: str) -> list[bytes]:
    """A build context in small pieces."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    data = file.getvalue()
    return [data[start : start + 1000] for start in range(0, len(data), 1000)]
