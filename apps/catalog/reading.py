"""What templates and versions say of themselves: the one place that calls the catalog's languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.catalog.language import questions
from apps.catalog.language.answers import CheckedAnswers, check_answers, is_shown
from apps.catalog.language.questions import TemplateQuestion, VersionInfo
from apps.catalog.language.readme import render_readme
from apps.catalog.language.rendered import LaunchFacts, RenderedFiles, render_files
from apps.core.errors import Invalid
from apps.core.texts import strip_unstorable
from apps.stacks.compose.yaml_loader import load_yaml, without_lines

PASSWORD = "password"  # noqa: S105 - a type of question

__all__ = [
    "PASSWORD",
    "CheckedAnswers",
    "LaunchFacts",
    "RenderedFiles",
    "TemplateConfig",
    "TemplateQuestion",
    "VersionInfo",
    "check_answers",
    "is_shown",
    "read_config",
    "read_version",
    "render_files",
    "render_readme",
]


@dataclass(frozen=True, slots=True)
class TemplateConfig:
    """A template's `config.yml`; `default_version` is the version that is offered first."""

    name: str = ""
    description: str = ""
    default_version: str = ""
    categories: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


_RECURSIVE = "A value refers to itself."
_DETAILS = {
    "maintainer": "maintainer",
    "license": "license",
    "projectURL": "project_url",
    "project_url": "project_url",
    "support": "support",
}


def read_version(files: Mapping[str, bytes]) -> VersionInfo:
    """What the files of a version say of it; what cannot be read is among its faults."""
    try:
        return questions.read_version(files)
    except RecursionError:
        return VersionInfo(faults=(_RECURSIVE,))


def read_config(content: bytes) -> TemplateConfig:
    """Read `config.yml`; what cannot be read is a fault, and the template is still listed."""
    text = content.decode("utf-8", "replace")
    try:
        found = strip_unstorable(without_lines(load_yaml(text, "config.yml", duplicates=[])))
    except Invalid as problem:
        return TemplateConfig(fault=f"config.yml: {problem.message}"[:500])
    except RecursionError:
        return TemplateConfig(fault=f"config.yml: {_RECURSIVE}")
    labels = found.get("labels")
    details: dict[str, Any] = {name: text for key, name in _DETAILS.items() if (text := _text(found.get(key), 500))}
    if isinstance(labels, dict):
        details["labels"] = {_text(key, 255): _text(value, 255) for key, value in list(labels.items())[:50]}
    return TemplateConfig(
        name=_text(found.get("name"), 255),
        description=_text(found.get("description"), 1024),
        default_version=_text(found.get("version"), 100),
        categories=_categories(found),
        details=details,
    )


def _categories(found: Mapping[str, Any]) -> tuple[str, ...]:
    many = found.get("categories")
    listed = [*(many if isinstance(many, list) else []), found.get("category")]
    return tuple(dict.fromkeys(text for each in listed if (text := _text(each, 60))))[:10]


def _text(value: object, high: int) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()[:high]
