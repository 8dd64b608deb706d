"""Git repositories that tests make on this machine, in the layout of catalogs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_IDENTITY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
COMPOSE = "web:\n  image: sim/web:{version}\n  environment:\n    GREETING: ${{GREETING}}\n"
RANCHER = """\
.catalog:
  name: {name}
  version: "{version}"
  description: Serves a greeting.
  minimum_rancher_version: v0.59.0
  questions:
    - variable: GREETING
      label: Greeting
      type: string
      required: true
      default: hello
web:
  scale: 1
"""
CONFIG = "name: {name}\ndescription: Serves a greeting.\nversion: {version}\ncategory: {category}\n"
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="#36c"/></svg>'


def git(folder: Path, *arguments: str) -> str:
    """Run git in a work tree of the test's own."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **_IDENTITY}
    )
    return done.stdout.strip()


def version_files(name: str, version: str, *, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files of a version by their paths in its folder."""
    found = {"docker-compose.yml": COMPOSE.format(version=version), "rancher-compose.yml": RANCHER}
    found["rancher-compose.yml"] = RANCHER.format(name=name, version=version)
    return {**found, **(extra or {})}


def template_files(
    folder: str, name: str, versions: Mapping[int, str], *, category: str = "Web", newest: str = ""
) -> dict[str, str]:
    """The files of a template with these versions by number, by their paths in the repository."""
    newest = newest or list(versions.values())[-1]
    found = {
        f"{folder}/config.yml": CONFIG.format(name=name, version=newest, category=category),
        f"{folder}/README.md": f"# {name}\n\nIt *greets*.\n",
        f"{folder}/catalogIcon-{folder.rpartition('/')[2]}.svg": ICON,
    }
    for number, version in versions.items():
        for path, content in version_files(name, version).items():
            found[f"{folder}/{number}/{path}"] = content
    return found


class Repository:
    """A repository with a work tree; `url` is what a catalog is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        """Its address, which only tests may use."""
        return f"file://{self.folder}"

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their paths."""
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)

    def commit(self, files: Mapping[str, str] | None = None, *, remove: str = "") -> str:
        """Commit everything that is there, with these files; the id of the commit."""
        self.write(files or {})
        if remove:
            git(self.folder, "rm", "--quiet", "-r", "--", remove)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", "A change")
        return git(self.folder, "rev-parse", "HEAD")
