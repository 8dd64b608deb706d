"""The files of a version with its answers: compose texts that are ready for the import of compose files; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apps.catalog.language.duplicates import without_duplicates
from apps.catalog.language.go_template import TemplateError, render
from apps.catalog.language.sections import without_section
from apps.catalog.language.service_names import with_dashes
from apps.core.errors import Invalid
from apps.stacks.compose.rancher_compose import RANCHER_FIELD
from apps.stacks.compose.service_parser import DOCKER_FIELD
from apps.stacks.compose.templates import TEMPLATE_ENDING, require_no_template

_MAX_FILE = 1024 * 1024
_MISSING = "\ue000"  # a character of private use, which stands for a value that is not there until it is counted
_NO_TEMPLATE = re.compile(r"\s*#\s?notemplating")
_VARIABLE_KEY = re.compile(r"^(?P<indent> *)\$\{(?P<variable>\w+)\}:(?=\s)", re.MULTILINE)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """What a template may know beside the answers: its `.Stack` and `.Release`."""

    stack_name: str
    version: str = ""
    previous_version: str = ""


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """Both compose texts, with the variables that are still to be filled in; `rancher_compose` may be empty.

    `warnings` say what of the template was read otherwise than it may have been meant.
    """

    docker_compose: str
    rancher_compose: str
    variables: dict[str, str]
    warnings: tuple[str, ...] = ()


def render_files(files: Mapping[str, bytes], answers: Mapping[str, str], facts: LaunchFacts) -> RenderedFiles:
    """Render the files of a version, by their names, with checked answers.

    Go templates are run, the catalog's own section is left out; variables such as `${NAME}` stay for the import, which
    takes `variables` for them. Raises `Invalid` on `dockerCompose` or `rancherCompose`, with the line.
    """
    docker_name = _pick(files, "docker-compose")
    if docker_name is None:
        raise Invalid(DOCKER_FIELD, "MissingRequired", "The version has no docker-compose.yml.")
    rancher_name = _pick(files, "rancher-compose")
    renderer = _Renderer(answers, facts)
    docker = renderer.read(docker_name, files[docker_name], DOCKER_FIELD)
    rancher = renderer.read(rancher_name, files[rancher_name], RANCHER_FIELD) if rancher_name else ""
    docker, rancher, renamed = with_dashes(docker, rancher)
    variables = {name: str(value) for name, value in answers.items()}
    return RenderedFiles(docker, rancher, variables, (*renderer.warnings, *renamed))


def _pick(files: Mapping[str, bytes], kind: str) -> str | None:
    """The name of a file in a version; a template comes before the plain file beside it."""
    names = [f"{kind}.{ending}{tail}" for tail in (TEMPLATE_ENDING, "") for ending in ("yml", "yaml")]
    return next((name for name in names if name in files), None)


class _Renderer:
    """Renders one file after the other, and gathers warnings."""

    def __init__(self, answers: Mapping[str, str], facts: LaunchFacts) -> None:
        stack = {"Name": facts.stack_name, "Version": facts.version, "PreviousVersion": facts.previous_version}
        self._values = {"Values": dict(answers), "Stack": stack, "Release": stack, "Cluster": {"Embedded": "false"}}
        self.warnings: list[str] = []

    def read(self, name: str, content: bytes, field: str) -> str:
        """A file with its templates run, without the catalog's section."""
        if len(content) > _MAX_FILE:
            raise Invalid(field, "MaxLengthExceeded", f"{name}: the file is larger than 1 MB.")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            line = content.count(b"\n", 0, problem.start) + 1
            raise Invalid(field, "InvalidFormat", f"{name}: line {line}: this is not UTF-8.") from None
        if _is_template(name, text):
            text = self._run(name, text, field)
        text, duplicates = without_duplicates(without_section(text))
        self.warnings += [f"{name}: {each}" for each in duplicates]
        return self._fill_keys(text)

    def _fill_keys(self, text: str) -> str:
        """Fill in variables that are keys, as names of volumes are: the import fills in values alone."""
        answers = self._values["Values"]

        def fill(found: re.Match[str]) -> str:
            value = answers.get(found["variable"], "")
            return f"{found['indent']}{value}:" if _PLAIN_KEY.fullmatch(value) else found[0]

        return _VARIABLE_KEY.sub(fill, text)

    def _run(self, name: str, text: str, field: str) -> str:
        try:
            rendered = render(text, self._values, missing=_MISSING, escape=_escape)
        except TemplateError as problem:
            raise Invalid(field, "InvalidFormat", f"{name}: {problem}.") from None
        if missing := rendered.count(_MISSING):
            is_one = missing == 1
            self.warnings.append(
                f"{name}: {missing} value{'' if is_one else 's'} of the template {'is' if is_one else 'are'} not "
                f"among the answers, and left empty."
            )
        return rendered.replace(_MISSING, "")


def _escape(text: str) -> str:
    """Double the dollars of an answer: the import fills in variables afterwards, and an answer is no variable."""
    return text.replace("$", "$$")


def _is_template(name: str, text: str) -> bool:
    """By its ending, or by what stands in it: Docker's log tags and others are written in double braces too."""
    if _NO_TEMPLATE.match(text):
        return False
    if name.endswith(TEMPLATE_ENDING):
        return True
    try:
        require_no_template(text, DOCKER_FIELD)
    except Invalid:
        return True
    return False
