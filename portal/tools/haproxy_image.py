"""Builds the balancers' image without a registry: Debian's haproxy, and what it takes to talk to its sockets."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.drivers.base import Endpoint, EngineError
from apps.drivers.docker.engine import DockerDriver
from portal.tools.apt import PackageUnavailable
from portal.tools.busybox_image import ImageUnavailable
from portal.tools.engine import local_engine
from portal.tools.package_files import PackageFiles

TAG = "corral/haproxy:2.6"
_PROGRAMS = (("haproxy", "haproxy"), ("socat", "socat"), ("busybox", "busybox"))
_APPLETS = (
    *(
        "sh",
        "cat",
        "cp",
        "mv",
        "rm",
        "mkdir",
        "kill",
        "sleep",
        "test",
        "tar",
        "head",
        "tail",
        "grep",
        "ls",
        "ps",
        "wget",
    ),
    *("hostname", "ip", "netstat", "nslookup", "ping", "env", "vi", "less"),
)
_FOLDERS = ("tmp", "etc/haproxy/certificates", "run/haproxy", "var/lib/haproxy", "proc", "sys", "dev", "bin")
_MASTER = "/run/haproxy/master.sock,mode,600,level,admin"
_COMMAND = ["haproxy", "-W", "-S", _MASTER, "-f", "/etc/haproxy/haproxy.cfg"]
# Without a listener haproxy does not start; and its health port stays closed until it has a configuration.
_WAITING = """global
    stats socket /run/haproxy/stats.sock mode 600 level admin expose-fd listeners

defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s

frontend waiting
    bind unix@/run/haproxy/waiting.sock
"""
_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/haproxy/haproxy.cfg": _WAITING,
}
_PIECE = 1024 * 1024


def main(arguments: list[str]) -> int:
    """`[TAG [ENGINE]]`: put the image into an engine, this machine's own unless another is named; the exit code."""
    tag = arguments[0] if arguments else TAG
    url = arguments[1] if len(arguments) > 1 else local_engine()
    if url is None:
        sys.stderr.write("No Docker engine answers on this machine.\n")
        return 1
    try:
        build(url, tag)
    except ImageUnavailable as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    sys.stdout.write(f"The engine at {url} has the image {tag}.\n")
    return 0


def build(url: str, tag: str = TAG) -> None:
    """Load the image into the engine at `url`. Raises `ImageUnavailable`."""
    engine = DockerDriver(Endpoint(url))
    try:
        engine.load(archive(tag))
    except EngineError as error:
        raise ImageUnavailable(f"The engine at {url} refused the image {tag}: {error}") from error
    finally:
        engine.close()


def archive(tag: str = TAG) -> Iterator[bytes]:
    """The image as an archive that engines load, in pieces. Raises `ImageUnavailable`."""
    layer = layer_tar()
    config = _image_config(hashlib.sha256(layer).hexdigest())
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, "config.json", config)
        _add(tar, "layer.tar", layer)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    data = out.getvalue()
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


def _image_config(layer_digest: str) -> bytes:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    run = {
        "Cmd": _COMMAND,
        "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"],
        "WorkingDir": "/",
        # SIGUSR1 has haproxy finish what is going on; TERM would cut it off.
        "StopSignal": "SIGUSR1",
    }
    layers = {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]}
    whole = {"architecture": architecture, "os": "linux", "config": run, "rootfs": layers}
    return json.dumps(whole, sort_keys=True).encode()


def layer_tar() -> bytes:
    """The image's file tree as a tar archive; made once, then kept in the user's cache folder."""
    cached = _cache() / f"corral-haproxy-{platform.machine()}-{_digest_of_recipe()}.tar"
    if cached.is_file():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory(prefix="corral-haproxy-") as work:
        data = _tree(PackageFiles(Path(work) / "tree"))
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cached.parent, prefix=cached.stem, delete=False) as part:
        part.write(data)  # another process may be writing it too
    Path(part.name).replace(cached)
    return data


def _digest_of_recipe() -> str:
    return hashlib.sha256(repr((_PROGRAMS, _APPLETS, _FOLDERS, _FILES)).encode()).hexdigest()[:12]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".cache") / "corral"


def _tree(packages: PackageFiles) -> bytes:
    if shutil.which("dpkg") is None and any(shutil.which(name) is None for name, _package in _PROGRAMS):
        raise ImageUnavailable("There is no haproxy, socat or busybox on this machine to make an image of.")
    try:
        programs = packages.programs(_PROGRAMS)
        libraries = packages.libraries(programs)
    except PackageUnavailable as reason:
        raise ImageUnavailable(f"The package haproxy could not be fetched ({reason}): install it.") from None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in _FOLDERS:
            _add_folder(tar, name, 0o1777 if name == "tmp" else 0o755)
        for path, (name, _package) in zip(programs, _PROGRAMS, strict=True):
            _add(tar, f"bin/{name}", path.read_bytes(), 0o755)
        for name, path in sorted(libraries.items()):
            _add(tar, name, path.read_bytes(), 0o755)
        _add_links(tar, _APPLETS)
        for name, text in _FILES.items():
            _add(tar, name, text.encode(), 0o644)
    return out.getvalue()


def _add_links(tar: tarfile.TarFile, applets: Iterable[str]) -> None:
    for each in applets:
        entry = tarfile.TarInfo(f"bin/{each}")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/bin/busybox"
        tar.addfile(entry)


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
