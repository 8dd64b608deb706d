"""Builds the host agent's image without a registry: this machine's Python, two packages and the agent itself."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import IO

from packaging.requirements import Requirement

from portal.boot.terminal import say
from portal.tools.busybox_image import ImageUnavailable, import_image, linked_libraries
from portal.tools.engine import local_engine

TAG = "corral/agent:v0.1.0"
_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = (_ROOT / "agent" / "corral_agent", _ROOT / "simulated_engine", _ROOT / "health_checks")
_PACKAGES = ("asyncssh", "websockets")
_PROGRAMS = {  # for the managed network, with Debian's packages that have them
    "ip": "iproute2",
    "bridge": "iproute2",
    "nft": "nftables",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
}
_STDLIB = f"opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}"
_PACKAGES_FOLDER = f"{_STDLIB}/site-packages"
_EXCLUDED_DIRS = {
    *(
        "__pycache__",
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
    ),
    *("lib2to3", "pydoc_data", "distutils", "sqlite3", "curses", "dbm", "xmlrpc", "wsgiref", "venv", "unittest"),
}
_EXCLUDED_EXTENSIONS = ("_tkinter", "_sqlite3", "_curses", "_dbm", "_gdbm", "readline", "_test", "_xx", "nis", "_crypt")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_LOADER = ("ld-linux", "ld-musl")
_COMPILE_TIMEOUT = 300
ENTRYPOINT = ["/opt/python/bin/python3", "-OO", "-X", "no_debug_ranges", "-m", "corral_agent"]
ENVIRONMENT = [
    "LD_LIBRARY_PATH=/opt/lib",
    f"PYTHONPATH=/{_PACKAGES_FOLDER}",  # Debian's own Python does not look there by itself
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    "MALLOC_ARENA_MAX=1",
    f"SSL_CERT_FILE={_CERTIFICATES}",
]
_CHANGES = [
    f"ENTRYPOINT {json.dumps(ENTRYPOINT)}",
    *(f"ENV {each}" for each in ENVIRONMENT),
    "VOLUME /var/lib/rancher",
]


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


def build(url: str, tag: str) -> None:
    """Import the image into the engine at `url`. Raises `ImageUnavailable`."""
    import_image(url, tag, build_tree(), _CHANGES)


def build_tree() -> bytes:
    """The image's file tree as a tar archive."""
    out = io.BytesIO()
    write_tree(out)
    return out.getvalue()


def write_tree(out: IO[bytes]) -> None:
    """Write the image's file tree as a tar archive."""
    with tempfile.TemporaryDirectory(prefix="corral-agent-") as work:
        root = Path(work)
        _copy_files(root)
        _compile(root)
        with tarfile.open(fileobj=out, mode="w") as tar:
            for folder in ("tmp", "run", "var/run", "var/lib/rancher", "etc", "proc", "sys", "dev"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            tar.add(root, arcname=".", filter=_owned_by_root)


def recipe_digest() -> str:
    """A text that is another one whenever the image would be: of the sources, the programs and this Python."""
    digest = hashlib.sha256(f"{sys.version} {platform.machine()} {ENTRYPOINT} {ENVIRONMENT}".encode())
    digest.update(" ".join(metadata.version(name) for name in _PACKAGES).encode())
    digest.update(" ".join(name for name in _PROGRAMS if _find_program(name)).encode())
    for package in _SOURCES:
        for path in sorted(package.rglob("*.py")):
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    if entry.name == "./tmp":
        entry.mode = 0o1777
    return entry


def _copy_files(root: Path) -> None:
    binary = Path(sys.executable).resolve()
    _copy(binary, root / "opt/python/bin/python3", mode=0o755)
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in _python_files(stdlib):
        _copy(path, root / _STDLIB / path.relative_to(stdlib))
    for path, name in _packages():
        _copy(path, root / _PACKAGES_FOLDER / name)
    for package in _SOURCES:
        for path in package.rglob("*.py"):
            _copy(path, root / _PACKAGES_FOLDER / path.relative_to(package.parent))
    programs = list(_copy_programs(root))
    for library in {
        found for program in (binary, *programs, *root.rglob("*.so")) for found in linked_libraries(program)
    }:
        _copy(library.resolve(), _library_target(root, library), mode=0o755)
    if _CERTIFICATES.is_file():
        _copy(_CERTIFICATES, root / str(_CERTIFICATES).lstrip("/"))


def _copy_programs(root: Path) -> Iterator[Path]:
    """The system's programs that the agent runs. Without one of them its hosts say what they lack."""
    for name, package in _PROGRAMS.items():
        found = _find_program(name)
        if found is None:
            say(f"The image is made without the program {name}: to have it, install {package} and make the image anew.")
            continue
        _copy(Path(found).resolve(), root / "usr/sbin" / name, mode=0o755)
        yield Path(found).resolve()


def _find_program(name: str) -> str | None:
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def _library_target(root: Path, library: Path) -> Path:
    """The loader goes where programs expect it, everything else into one folder."""
    return root / (str(library).lstrip("/") if library.name.startswith(_LOADER) else f"opt/lib/{library.name}")


def _python_files(stdlib: Path) -> Iterator[Path]:
    for path in stdlib.rglob("*"):
        parts = path.relative_to(stdlib).parts
        if _EXCLUDED_DIRS & set(parts) or parts[0].startswith("config-") or not path.is_file():
            continue
        if path.suffix == ".py" or (path.suffix == ".so" and not path.name.startswith(_EXCLUDED_EXTENSIONS)):
            yield path


def _packages() -> Iterator[tuple[Path, str]]:
    """The files of the agent's dependencies and theirs in turn, with their paths in site-packages."""
    pending, seen = list(_PACKAGES), set()
    while pending:
        name = pending.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        needs = [Requirement(text) for text in found.requires or ()]
        pending += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        for file in found.files or ():
            if ".." not in file.parts and file.suffix in {".py", ".so"}:
                yield Path(str(file.locate())), str(file)


def _copy(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(mode)


def _compile(root: Path) -> None:
    """Byte code of the kind the agent runs: compiling it at every start would cost memory."""
    command = [sys.executable, "-m", "compileall", "-q", "-o", "2", "--invalidation-mode", "unchecked-hash", "-j", "0"]
    library = root / _STDLIB
    subprocess.run([*command, "-s", str(root), "-p", "/", str(library)], check=False, timeout=_COMPILE_TIMEOUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
