"""A small image without a registry: busybox as a web server that shows its host name, for demonstrations and tests."""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from apps.drivers.base import Endpoint, EngineError
from apps.drivers.docker.pull import split_image_reference
from apps.drivers.docker.sdk import EngineConnection
from portal.boot.terminal import say
from portal.tools.apt import PackageUnavailable, download_package

_IMAGE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_FOLDERS = ("bin", "etc", "tmp", "root", "run", "var", "usr", "proc", "sys", "dev", "www")
_TIMEOUT = 120
# As process 1 a program without a handler ignores TERM, and stopping it takes the whole grace period.
_SERVE_SCRIPT = """#!/bin/sh
trap 'exit 0' TERM INT
echo "<h1>$(hostname)</h1>" > /www/index.html
httpd -p 80 -h /www
echo "$(hostname) serves port 80"
while :; do sleep 3600 & wait $!; done
"""
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "bin/serve": _SERVE_SCRIPT,
}


class ImageUnavailable(EngineError):
    """The image cannot be made here; `str()` says why and what to do."""


def build_image(docker_url: str, tag: str = "bb:local") -> None:
    """Import the image into the engine at `docker_url`. Raises `ImageUnavailable`."""
    import_image(docker_url, tag, image_tar(), ['CMD ["serve"]', f"ENV PATH={_IMAGE_PATH}", "EXPOSE 80"])


def import_image(url: str, tag: str, tree: bytes, changes: Sequence[str]) -> None:
    """Import a file tree (a tar archive) into the engine at `url` as an image, with these lines of a Dockerfile.

    Raises `ImageUnavailable`.
    """
    repository, version = split_image_reference(tag)
    line = EngineConnection(Endpoint(url))
    try:
        with line() as sdk:
            answer = str(sdk.import_image_from_data(tree, repository, version, list(changes)))
    except EngineError as error:
        raise ImageUnavailable(f"The engine at {url} refused the image {tag}: {error}") from error
    finally:
        line.close()
    if '"error"' in answer:
        raise ImageUnavailable(f"The engine at {url} refused the image {tag}: {answer.strip()}")


def image_tar() -> bytes:
    """The image's file tree as a tar archive; made once, then kept in the user's cache folder."""
    cached = _cache() / f"corral-busybox-{platform.machine()}-1.tar"
    if cached.is_file():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory(prefix="corral-image-") as work:
        data = _tree(_busybox(Path(work)))
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=cached.parent, prefix=cached.stem, delete=False
    ) as part:  # another process may be writing it too
        part.write(data)
    Path(part.name).replace(cached)
    return data


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".cache") / "corral"


def _busybox(work: Path) -> Path:
    """The machine's own busybox, or the one out of Debian's package."""
    own = shutil.which("busybox")
    if own is not None:
        return Path(own)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ImageUnavailable("There is no busybox on this machine to make an image of: install the package busybox.")
    say("Fetching Debian's busybox for a local image ...")
    try:
        package = download_package("busybox", work)
    except PackageUnavailable as reason:
        raise ImageUnavailable(f"The package busybox could not be fetched ({reason}): install it.") from None
    _run(["dpkg", "-x", str(package), "tree"], work)
    return next(path for path in (work / "tree").rglob("busybox") if path.is_file() and path.parent.name == "bin")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )


def _tree(busybox: Path) -> bytes:
    applets = _run([str(busybox), "--list"], busybox.parent).stdout.split()
    if "httpd" not in applets:
        raise ImageUnavailable(f"{busybox} has no httpd: install Debian's package busybox.")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _FOLDERS:
            _add(tar, name, kind=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        _add(tar, "bin/busybox", busybox.read_bytes())
        for library in linked_libraries(busybox):
            _add(tar, str(library).lstrip("/"), library.resolve().read_bytes())
        for applet in sorted(set(applets) - {"busybox"}):
            _add(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, target="/bin/busybox")
        for name, text in _FILES.items():
            _add(tar, name, text.encode())
    return buffer.getvalue()


def linked_libraries(program: Path) -> Iterable[Path]:
    """What the dynamic linker would load, under the names it asks for."""
    listed = _run(["ldd", str(program)], program.parent).stdout
    return [Path(name) for name in dict.fromkeys(re.findall(r"(/\S+)", listed)) if Path(name).is_file()]


def _add(
    tar: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o755,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(data)
    tar.addfile(entry, io.BytesIO(data))
