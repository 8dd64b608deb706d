"""What a version of a template asks before it is launched: the section `.catalog` (or `catalog`) of its files; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.catalog.language.sections import find_section
from apps.core.errors import Invalid
from apps.core.texts import labeled
from apps.stacks.compose.yaml_loader import load_yaml, without_lines

MAX_QUESTIONS = 300
MAX_DEFAULT = 64 * 1024
"""Characters of an answer that a template suggests."""
_MAX_OPTIONS = 300
_MAX_FILE = 1024 * 1024
TYPES = ("string", "multiline", "boolean", "int", "float", "enum", "password", "service", "certificate", "date")
_OTHER_NAMES = {"text": "multiline", "bool": "boolean", "integer": "int", "number": "float", "secret": "password"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_SOURCES = re.compile(r"(?P<kind>rancher-compose|template-version|docker-compose)\.ya?ml(?:\.tpl)?")
_ORDER = ("rancher-compose", "template-version", "docker-compose")


@dataclass(frozen=True, slots=True)
class TemplateQuestion:
    """One of them; `type` is one of `TYPES`. Bounds of 0 or None do not bind.

    `generate` is the length of the password that is made where none is given, 0 for none. The question is asked if
    each variable of `show_if` has its value.
    """

    variable: str
    label: str
    type: str = "string"
    description: str = ""
    required: bool = False
    default: str = ""
    group: str = ""
    options: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    min_length: int = 0
    max_length: int = 0
    valid_chars: str = ""
    invalid_chars: str = ""
    generate: int = 0
    show_if: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What a version says of itself; `faults` say what of it could not be read, and was left out."""

    name: str = ""
    version: str = ""
    description: str = ""
    uuid: str = ""
    minimum_rancher_version: str = ""
    maximum_rancher_version: str = ""
    upgrade_from: str = ""
    questions: tuple[TemplateQuestion, ...] = ()
    faults: tuple[str, ...] = ()


def read_version(files: Mapping[str, bytes]) -> VersionInfo:
    """Read the files of a version, by their names; never raises: what is wrong is in `faults`."""
    faults: list[str] = []
    for name in _sources(files):
        try:
            section = _read_section(files[name])
        except Invalid as problem:
            faults.append(labeled(name, problem.message))
            continue
        if section is not None:
            info = _read_info(section, name)
            return VersionInfo(**{**_fields(info), "faults": (*faults, *info.faults)})
    return VersionInfo(faults=tuple(faults))


def _fields(info: VersionInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in VersionInfo.__slots__}


def _sources(files: Mapping[str, bytes]) -> list[str]:
    """The files that may have the section, the likeliest first; of two kinds a template comes last."""
    found = [(match["kind"], name) for name in files if (match := _SOURCES.fullmatch(name))]
    return [name for _kind, name in sorted(found, key=lambda each: (_ORDER.index(each[0]), len(each[1])))]


def _read_section(content: bytes) -> Mapping[str, Any] | None:
    """The section of a file as plain values, None if it has none. Raises `Invalid`."""
    if len(content) > _MAX_FILE:
        raise Invalid("file", "MaxLengthExceeded", "The file is larger than 1 MB.")
    section = find_section(content.decode("utf-8-sig", "replace"))
    if section is None:
        return None
    found = without_lines(load_yaml(section, "file", duplicates=[]))
    inside = next(iter(found.values()), None)
    if inside is None:
        return {}
    if not isinstance(inside, Mapping):
        raise Invalid("file", "InvalidFormat", "The section of the catalog must be a map.")
    return inside


def _read_info(section: Mapping[str, Any], source: str) -> VersionInfo:
    faults: list[str] = []
    listed = section.get("questions") or []
    if not isinstance(listed, list):
        faults.append(f"{source}: `questions` must be a list.")
        listed = []
    if len(listed) > MAX_QUESTIONS:
        faults.append(f"{source}: only the first {MAX_QUESTIONS} questions are asked.")
    questions: dict[str, TemplateQuestion] = {}
    for number, each in enumerate(listed[:MAX_QUESTIONS], 1):
        question = _read_question(each, f"{source}: question {number}", faults)
        if question is not None and question.variable in questions:
            faults.append(f"{source}: the question {question.variable} is asked twice; the last one counts.")
        if question is not None:
            questions[question.variable] = question
    return VersionInfo(
        name=_text(section.get("name"), 255),
        version=_text(section.get("version"), 255),
        description=_text(section.get("description"), 4096),
        uuid=_text(section.get("uuid"), 255),
        minimum_rancher_version=_text(section.get("minimum_rancher_version"), 60),
        maximum_rancher_version=_text(section.get("maximum_rancher_version"), 60),
        upgrade_from=_text(section.get("upgrade_from"), 255),
        questions=tuple(questions.values()),
        faults=tuple(faults),
    )


def _read_question(each: Any, place: str, faults: list[str]) -> TemplateQuestion | None:
    variable = _text(each.get("variable"), 200) if isinstance(each, Mapping) else ""
    if not _VARIABLE.fullmatch(variable):
        faults.append(f"{place} has no `variable`, or one that no file can use.")
        return None
    place = f"{place} ({variable})"
    default = _text(each.get("default"), MAX_DEFAULT + 1, strip=False)
    if len(default) > MAX_DEFAULT:
        faults.append(f"{place}: the default is larger than {MAX_DEFAULT // 1024} KB and is left out.")
        default = ""
    options = tuple(_read_options(each.get("options"), place, faults))
    kind = _read_type(each.get("type"), place, faults)
    if kind == "enum" and not options:
        faults.append(f"{place}: an enum needs `options`; it is asked as a string.")
        kind = "string"
    return TemplateQuestion(
        variable=variable,
        label=_text(each.get("label"), 255) or variable,
        type=kind,
        description=_text(each.get("description"), 4096),
        required=_text(each.get("required"), 20).lower() in {"true", "yes", "on", "1"},
        default=default if kind == "multiline" else default.strip(),
        group=_text(each.get("group"), 255),
        options=options,
        min=_number(each, "min", place, faults),
        max=_number(each, "max", place, faults),
        min_length=int(_number(each, "min_length", place, faults) or 0),
        max_length=int(_number(each, "max_length", place, faults) or 0),
        valid_chars=_text(each.get("valid_chars"), 200),
        invalid_chars=_text(each.get("invalid_chars"), 200),
        generate=min(128, max(0, int(_number(each, "generate", place, faults) or 0))) if kind == "password" else 0,
        show_if=dict(_read_conditions(each.get("show_if"), place, faults)),
    )


def _read_type(value: Any, place: str, faults: list[str]) -> str:
    name = _text(value, 60).lower()
    name = _OTHER_NAMES.get(name, name)
    if name in TYPES:
        return name
    if name:
        faults.append(f"{place}: the type {name!r} is not known; it is asked as a string.")
    return "string"


def _read_options(value: Any, place: str, faults: list[str]) -> Iterator[str]:
    if not value:
        return
    if not isinstance(value, list):
        faults.append(f"{place}: `options` must be a list.")
        return
    if len(value) > _MAX_OPTIONS:
        faults.append(f"{place}: only the first {_MAX_OPTIONS} options are offered.")
    yield from (_text(each, 1000) for each in value[:_MAX_OPTIONS])


def _read_conditions(value: Any, place: str, faults: list[str]) -> Iterator[tuple[str, str]]:
    """`name=value&&other=value`, or a map."""
    if isinstance(value, Mapping):
        yield from ((str(name), _text(each, 1000)) for name, each in value.items())
        return
    for part in _text(value, 4096).split("&&"):
        name, equals, wanted = part.partition("=")
        if part.strip() and not (equals and name.strip()):
            faults.append(f"{place}: `show_if` is written name=value; {part.strip()[:60]!r} is left out.")
        elif part.strip():
            yield name.strip(), wanted.strip().strip("'\"")


def _number(each: Mapping[str, Any], key: str, place: str, faults: list[str]) -> float | None:
    text = _text(each.get(key), 40)
    if not text:
        return None
    if not re.fullmatch(r"[-+]?\d{1,18}(?:\.\d{1,18})?", text, re.ASCII):
        faults.append(f"{place}: `{key}` must be a number; it is left out.")
        return None
    return float(text)


def _text(value: Any, high: int, *, strip: bool = True) -> str:
    """A plain value as a text of at most so many characters; lists and maps are none."""
    if value is None or isinstance(value, list | Mapping):
        return ""
    text = str(value).replace("\0", "")
    return (text.strip() if strip else text)[:high]
