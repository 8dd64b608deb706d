"""Which files of a repository are a template, a version, an icon: Rancher's layout, by paths and digests alone.

`templates/<name>/config.yml` describes a template and `templates/<name>/<n>/` is its version number n; folders such as
`infra-templates` hold others in the same way, whose keys begin with `infra*`. Nothing is read here: a repository with
ten thousand versions is listed from one listing of its paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.catalog.source import StoredFile

MAX_TEMPLATES = 2000
MAX_VERSIONS = 2000  # of one template
MAX_FILE = 1 * 2**20
MAX_ICON = 256 * 1024
MAX_FILES = 64  # of one version
_FOLDER = re.compile(r"(?:(?P<base>[A-Za-z0-9_]+)-)?templates")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.+-]{0,127}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_ICON = re.compile(r"catalogicon-[^/]*\.(?:svg|png|jpe?g|gif|webp)", re.IGNORECASE)
CONFIG = ("config.yml", "config.yaml")
_README = re.compile(r"readme(?:\.md|\.markdown|\.txt)?", re.IGNORECASE)
COMPOSE_FILE = re.compile(r"docker-compose\.ya?ml(?:\.tpl)?")
RANCHER_FILE = re.compile(r"rancher-compose\.ya?ml(?:\.tpl)?")


@dataclass
class FoundVersion:
    """The files of a version by their names within its folder; `faults` are in words."""

    number: int
    digest: str = ""
    files: dict[str, StoredFile] = field(default_factory=dict)
    fault: str = ""

    def described_in(self) -> StoredFile | None:
        """The file that says what the version is called and asks."""
        names = sorted(self.files)
        first = next((name for name in names if RANCHER_FILE.fullmatch(name)), None)
        found = first or next((name for name in names if COMPOSE_FILE.fullmatch(name)), None)
        return self.files[found] if found else None


@dataclass
class FoundTemplate:
    """A template: its own files, and its versions by number."""

    key: str
    folder: str
    base: str
    digest: str = ""
    config: StoredFile | None = None
    icon: StoredFile | None = None
    readme: StoredFile | None = None
    versions: dict[int, FoundVersion] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass
class FoundLayout:
    """The templates by key, and what is wrong with the repository itself."""

    templates: dict[str, FoundTemplate] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def find_templates(entries: Iterable[StoredFile]) -> FoundLayout:
    """Sort what a repository holds into templates and versions."""
    found = FoundLayout()
    for entry in entries:
        _sort_in(found, entry)
    for template in found.templates.values():
        for version in template.versions.values():
            if not version.fault and not any(COMPOSE_FILE.fullmatch(name) for name in version.files):
                version.fault = "It has no docker-compose.yml."
    return found


def _sort_in(found: FoundLayout, entry: StoredFile) -> None:
    words = entry.path.split("/")
    folder = _FOLDER.fullmatch(words[0])
    if folder is None or len(words) < 2 or (len(words) == 2 and not entry.is_folder):
        return
    template = _template_of(found, words, folder["base"] or "")
    if template is None:
        return
    if len(words) == 2:
        template.digest = entry.digest
    elif len(words) == 3:
        _add_own(template, words[2], entry)
    elif _NUMBER.fullmatch(words[2]):
        _add_version_file(template, int(words[2]), "/".join(words[3:]), entry)


def _template_of(found: FoundLayout, words: list[str], base: str) -> FoundTemplate | None:
    name = words[1]
    key = f"{base}*{name}" if base else name
    if key in found.templates:
        return found.templates[key]
    if not _NAME.fullmatch(name):
        problem = f"{words[0]}/{name[:60]}: a template's folder is named with letters, digits, dots, dashes and spaces."
        if problem not in found.faults:
            found.faults.append(problem)
        return None
    if len(found.templates) >= MAX_TEMPLATES:
        problem = f"Only the first {MAX_TEMPLATES} templates are listed."
        if problem not in found.faults:
            found.faults.append(problem)
        return None
    found.templates[key] = FoundTemplate(key, f"{words[0]}/{name}", base)
    return found.templates[key]


def _add_own(template: FoundTemplate, name: str, entry: StoredFile) -> None:
    if entry.is_folder:
        if _NUMBER.fullmatch(name):
            version = _version(template, int(name))
            if version is not None:
                version.digest = entry.digest
    elif name in CONFIG and entry.size <= MAX_FILE:
        template.config = entry
    elif _ICON.fullmatch(name):
        if entry.size > MAX_ICON:
            template.faults.append(f"{name} is larger than {MAX_ICON // 1024} KB and is not shown.")
        else:
            template.icon = entry
    elif _README.fullmatch(name) and entry.size <= MAX_FILE:
        template.readme = entry


def _add_version_file(template: FoundTemplate, number: int, name: str, entry: StoredFile) -> None:
    version = _version(template, number)
    if version is None or entry.is_folder:
        return
    if entry.size > MAX_FILE:
        version.fault = f"{name[:100]} is larger than {MAX_FILE // 2**20} MB."
    elif len(version.files) >= MAX_FILES:
        version.fault = f"It has more than {MAX_FILES} files."
    else:
        version.files[name] = entry


def _version(template: FoundTemplate, number: int) -> FoundVersion | None:
    if number not in template.versions:
        if len(template.versions) >= MAX_VERSIONS:
            return None
        template.versions[number] = FoundVersion(number)
    return template.versions[number]
