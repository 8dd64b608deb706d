"""The command line as one file, served by the portal that it belongs to: the versions always match."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition, require_safe

SOURCE = Path(__file__).resolve().parents[1] / "cli"
PACKAGE = "corral_cli"
_INTERPRETER = b"#!/usr/bin/env python3\n"
_ENTRY = f"from {PACKAGE}.__main__ import main\nmain()\n"
_EPOCH = (2020, 1, 1, 0, 0, 0)  # the same sources are always the same bytes, so that what is cached stays valid


def build_program(source: Path = SOURCE) -> bytes:
    """A zip that Python runs: the package without tests and byte code, and what starts it."""
    data = io.BytesIO()
    data.write(_INTERPRETER)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        _add(archive, "__main__.py", _ENTRY.encode())
        for path in sorted((source / PACKAGE).rglob("*.py")):
            _add(archive, path.relative_to(source).as_posix(), path.read_bytes())
    return data.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


@functools.cache
def _program() -> tuple[bytes, str]:
    content = build_program()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=lambda _request, **_path: _program()[1])
def cli_program(_request: HttpRequest) -> HttpResponseBase:
    """`/cli/corral`: to be saved and made executable. Anybody may have it: it holds nothing of this installation."""
    answer = HttpResponse(_program()[0], content_type="application/octet-stream")
    answer["Content-Disposition"] = 'attachment; filename="corral"'
    patch_cache_control(answer, public=True, max_age=0, must_revalidate=True)
    return answer
