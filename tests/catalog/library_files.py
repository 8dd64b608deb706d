"""The built-in library's versions, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from apps.catalog.language.answers import CheckedAnswers, check_answers
from apps.catalog.language.questions import VersionInfo, read_version
from apps.catalog.language.rendered import LaunchFacts, RenderedFiles, render_files

FOLDER = Path(__file__).parents[2] / "apps/catalog/library/templates"
TEMPLATES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
VERSIONS = [
    f"{name}/{number}"
    for name in TEMPLATES
    for number in range(len([p for p in (FOLDER / name).iterdir() if p.is_dir()]))
]


@dataclass(frozen=True, slots=True)
class LibraryVersion:
    """A version of a template, such as `redis/0`."""

    name: str

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (FOLDER / self.name).iterdir()}

    @property
    def info(self) -> VersionInfo:
        return read_version(self.files)

    def answered(self, **answers: str) -> CheckedAnswers:
        found = check_answers(self.info.questions, answers)
        assert found.errors == {}
        return found

    def rendered(self, **answers: str) -> RenderedFiles:
        facts = LaunchFacts("trial", version=self.info.version)
        return render_files(self.files, self.answered(**answers).values, facts)


def config_of(name: str) -> dict[str, str]:
    """A template's config.yml."""
    found: dict[str, str] = yaml.safe_load((FOLDER / name / "config.yml").read_text())
    return found
