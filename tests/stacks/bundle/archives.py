"""Archives for tests."""

from __future__ import annotations

import io
import tarfile
import zipfile

FILES = {
    "docker-compose.yml": b"web:\n  image: bb:${TAG}\n  env_file: web.env\n",
    "rancher-compose.yml": b"web:\n  scale: 2\n",
    "web.env": b"PASSWORD=top secret\n",
    ".env": b"TAG=local\nNAME=it's\n",
    "LICENSE": b"none",
}


def zip_of(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tar_of(files: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return data.getvalue()
