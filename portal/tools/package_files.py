"""Programs out of Debian's packages with the libraries they load, whether they are installed here or not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.tools.apt import PackageUnavailable, download_package

_TIMEOUT = 120
_MAX_ROUNDS = 6  # a library of a library of a library: Debian's haproxy needs three
_DEPENDENCY = re.compile(r"(lib[a-z0-9.+-]+)")
_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")


@dataclass
class PackageFiles:
    """Packages unpacked into the folder `tree`, as far as this machine does not have what is in them."""

    tree: Path
    _fetched: dict[str, Path] = field(default_factory=dict)

    def programs(self, wanted: Sequence[tuple[str, str]]) -> list[Path]:
        """The programs named, each with its package: installed here, or fetched. Raises `PackageUnavailable`."""
        return [self._program(name, package) for name, package in wanted]

    def libraries(self, programs: Sequence[Path]) -> dict[str, Path]:
        """What these programs load, by the path at which they look for it. Raises `PackageUnavailable`."""
        for _ in range(_MAX_ROUNDS):
            found, missing = self._linked(programs)
            if not missing:
                return found
            if not self._fetch_dependencies():
                break
        raise PackageUnavailable(f"no package has {', '.join(sorted(missing))}")

    def _program(self, name: str, package: str) -> Path:
        own = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
        if own is not None:
            return Path(own)
        self._fetch(package)
        found = next((path for each in _FOLDERS if (path := self.tree / each / name).is_file()), None)
        if found is None:
            raise PackageUnavailable(f"the package {package} has no program {name}")
        return found

    def _fetch(self, package: str) -> None:
        self.tree.mkdir(parents=True, exist_ok=True)
        self._fetched[package] = file = download_package(package, self.tree.parent)
        _run(["dpkg", "-x", str(file), str(self.tree)])

    def _fetch_dependencies(self) -> bool:
        """The libraries that the fetched packages depend on directly; whether there was one."""
        wanted = {name for file in self._fetched.values() for name in _dependencies(file)} - self._fetched.keys()
        for name in sorted(wanted):
            self._fetch(name)
        return bool(wanted)

    def _linked(self, programs: Sequence[Path]) -> tuple[dict[str, Path], set[str]]:
        """The libraries there are, by the paths at which programs look, and the names of those that are missing."""
        folders = {str(path.parent) for path in self.tree.rglob("*.so*")} if self.tree.is_dir() else set()
        found: dict[str, Path] = {}
        missing: set[str] = set()
        for program in programs:
            text = _run(["ldd", str(program)], LD_LIBRARY_PATH=os.pathsep.join(sorted(folders)))
            for line in text.splitlines():
                name, _arrow, place = line.strip().rpartition(" => ")
                if place == "not found":
                    missing.add(name)
                elif (path := Path(place.partition(" ")[0])).is_absolute() and path.is_file():
                    found[_path_inside(path, self.tree)] = path.resolve()
        return found, missing


def _path_inside(path: Path, tree: Path) -> str:
    """Where a library is looked for, without the leading slash."""
    return str(path.relative_to(tree) if path.is_relative_to(tree) else path).lstrip("/")


def _dependencies(package: Path) -> Iterator[str]:
    """The libraries among the packages that a package's file says it needs; of alternatives the first."""
    for each in _run(["dpkg-deb", "-f", str(package), "Depends"]).split(","):
        if match := _DEPENDENCY.match(each.strip()):
            yield match[1]


def _run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    return done.stdout
