"""Launching a stack from a version of a template, and upgrading it to another: answers become files, files a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apps.catalog.external_ids import VersionId, parse_external_id
from apps.catalog.models import TemplateVersion
from apps.catalog.reading import (
    PASSWORD,
    LaunchFacts,
    RenderedFiles,
    TemplateQuestion,
    VersionInfo,
    check_answers,
    read_version,
    render_files,
)
from apps.catalog.selectors import find_version, newer_versions, templates_of, version_of_stack
from apps.catalog.source import SourceError
from apps.catalog.storage import version_files
from apps.core.errors import Forbidden, Invalid, Problem
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.services import stack_create
from apps.stacks.stack_draft import StackFiles


class WrongAnswers(Invalid):
    """Answers that a version's questions do not take: `errors` says of each variable what is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        first, text = next(iter(errors.items()))
        super().__init__(f"environment.{first}", "InvalidOption", text)
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a new stack is called, and whether its services are started."""

    name: str
    description: str = ""
    start: bool = True


def version_id(version: TemplateVersion) -> VersionId:
    """The version by names, as stacks keep it."""
    return VersionId(version.template.catalog.name, version.template.key, version.number)


def described(version: TemplateVersion) -> VersionInfo:
    """What the version says of itself, and asks. Raises `Problem` when its files cannot be had."""
    return read_version(_files(version))


def _files(version: TemplateVersion) -> Mapping[str, bytes]:
    if version.fault:
        raise Invalid("externalId", "InvalidOption", f"{version.template.name} {version}: {version.fault}")
    try:
        return version_files(version)
    except SourceError as problem:
        raise Problem(str(problem), status=503, code="CatalogUnavailable") from None


def readable_files(version: TemplateVersion) -> dict[str, str]:
    """The version's files as texts, by name. Raises `Problem`."""
    return {name: content.decode("utf-8", "replace") for name, content in sorted(_files(version).items())}


def rendered(
    version: TemplateVersion,
    answers: Mapping[str, str],
    *,
    stack_name: str,
    stack: Stack | None = None,
    previous: str = "",
) -> RenderedFiles:
    """The compose files of a version with these answers. Raises `WrongAnswers`, `Invalid` (the template), `Problem`.

    The answers of the `stack` that is upgraded count where a question is not answered, or a password left empty;
    `previous` is the version that it is of.
    """
    files = _files(version)
    questions = read_version(files).questions
    stored = dict(stack.variables or {}) if stack is not None else {}
    checked = check_answers(questions, _completed(questions, answers, stored))
    if checked.errors:
        raise WrongAnswers(checked.errors)
    facts = LaunchFacts(stack_name, version.version, previous)
    return render_files(files, checked.values, facts)


def _completed(
    questions: tuple[TemplateQuestion, ...], answers: Mapping[str, str], stored: Mapping[str, str]
) -> dict[str, str]:
    unanswered = {each.variable for each in questions if each.type == PASSWORD and not answers.get(each.variable)}
    return {
        **stored,
        **{name: value for name, value in answers.items() if name not in unanswered or name not in stored},
    }


def launch(
    *,
    actor: Actor,
    environment: Environment,
    version: TemplateVersion,
    options: StackOptions,
    answers: Mapping[str, str],
) -> Stack:
    """Make a stack of a version. Raises `WrongAnswers`, `Invalid`, `Forbidden`; nothing is made then."""
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    files = rendered(version, answers, stack_name=options.name)
    return stack_create(
        actor=actor,
        environment=environment,
        name=options.name,
        description=options.description,
        docker_compose=files.docker_compose,
        rancher_compose=files.rancher_compose,
        variables=files.variables,
        external_id=version_id(version).external_id,
        start_on_create=options.start,
        notes=files.warnings,
    )


def launch_by_id(
    *, actor: Actor, environment: Environment, wanted: VersionId, options: StackOptions, answers: Mapping[str, str]
) -> Stack:
    """The same, of a version by names. Raises `Invalid` for one that the environment does not see."""
    version = find_launchable(actor, environment.pk, wanted)
    return launch(actor=actor, environment=environment, version=version, options=options, answers=answers)


def find_launchable(actor: Actor, environment_id: int, wanted: VersionId) -> TemplateVersion:
    """A version by names. Raises `Invalid` for one that the environment does not see."""
    try:
        return find_version(templates_of(actor, environment_id), wanted)
    except Problem as problem:
        raise Invalid("externalId", "InvalidReference", problem.message) from None


@dataclass(frozen=True)
class UpgradeChoice:
    """What a stack can be upgraded to, the newest first; `current` is None when its version is not there any more."""

    stack: Stack
    current: TemplateVersion | None
    versions: list[TemplateVersion] = field(default_factory=list)

    def find(self, number: int) -> TemplateVersion:
        """One of the versions, or the current one, for other answers. Raises `Invalid`."""
        candidates = [*self.versions, *([self.current] if self.current else [])]
        found = next((each for each in candidates if each.number == number), None)
        if found is None:
            raise Invalid("version", "InvalidOption", f"{self.stack.name} cannot be upgraded to version {number}.")
        return found

    def require_same(self, wanted: VersionId) -> None:
        """Refuse a version of another template. Raises `Invalid`."""
        mine = version_id(self.current) if self.current is not None else wanted
        if (mine.catalog.lower(), mine.template) != (wanted.catalog.lower(), wanted.template):
            text = f"{self.stack.name} is of the template {mine.catalog}:{mine.template}, not of another one."
            raise Invalid("externalId", "InvalidOption", text)


def upgrade_choice(actor: Actor, stack: Stack) -> UpgradeChoice:
    """What the stack can be upgraded to, as its catalog has it now."""
    current = version_of_stack(actor, stack)
    if current is None:
        return UpgradeChoice(stack, None)
    versions = list(TemplateVersion.objects.filter(template=current.template))
    for each in versions:
        each.template = current.template
    return UpgradeChoice(stack, current, newer_versions(versions, current))


def files_of_version(
    stack: Stack,
    version: TemplateVersion,
    answers: Mapping[str, str],
    *,
    actor: Actor,
    base: StackFiles | None = None,
) -> StackFiles:
    """What the stack is to become by a version with these answers, for the preview of an upgrade and for the upgrade.

    What else `base` says is kept. Raises `WrongAnswers`, `Invalid`, `Forbidden`, `Problem`.
    """
    allowed = can(actor, "operate", stack.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    current = version_of_stack(actor, stack)
    previous = current.version if current is not None else ""
    files = rendered(version, answers, stack_name=stack.name, stack=stack, previous=previous)
    base = base or StackFiles()
    return replace(
        base,
        docker_compose=files.docker_compose,
        rancher_compose=files.rancher_compose,
        variables=files.variables,
        external_id=version_id(version).external_id,
        note=base.note or f"{version.template.name} {version.version}",
        notes=(*base.notes, *files.warnings),
    )


def with_version(stack: Stack, files: StackFiles, *, actor: Actor) -> StackFiles:
    """The files that a client meant: it may name a version of the stack's template instead of sending files.

    One that sends the version's own file, as it was read here, means the same. Raises as `files_of_version`.
    """
    wanted = version_meant(actor, stack.environment_id, files.external_id or "", files.docker_compose or "")
    if wanted is None:
        return files
    choice = upgrade_choice(actor, stack)
    if choice.current is None:
        version = find_launchable(actor, stack.environment_id, wanted)
    else:
        choice.require_same(wanted)
        version = choice.find(wanted.number)
    return files_of_version(stack, version, files.variables or {}, actor=actor, base=files)


def version_meant(actor: Actor, environment_id: int, external_id: str, docker_compose: str) -> VersionId | None:
    """The version that a client means which names one and sends no file, or that version's own file unfilled."""
    wanted = parse_external_id(external_id)
    if wanted is None or (docker_compose and not _is_own_file(actor, environment_id, wanted, docker_compose)):
        return None
    return wanted


def _is_own_file(actor: Actor, environment_id: int, wanted: VersionId, docker_compose: str) -> bool:
    try:
        version = find_version(templates_of(actor, environment_id), wanted)
        files = readable_files(version)
    except Problem:
        return False
    return any(text == docker_compose for name, text in files.items() if name.startswith("docker-compose"))


@dataclass(frozen=True, slots=True)
class LaunchPreview:
    """What would be launched, to be looked at: texts by file name, with passwords blanked, and their variables."""

    files: RenderedFiles
    texts: Mapping[str, str]


BLANKED = "********"


def preview_files(
    version: TemplateVersion, answers: Mapping[str, str], *, stack_name: str, stack: Stack | None = None
) -> LaunchPreview:
    """The files with these answers, passwords blanked. Raises `WrongAnswers`, `Invalid`, `Problem`."""
    contents = _files(version)
    questions = read_version(contents).questions
    checked = check_answers(questions, _completed(questions, answers, dict(stack.variables or {}) if stack else {}))
    if checked.errors:
        raise WrongAnswers(checked.errors)
    secret = {each.variable for each in questions if each.type == PASSWORD}
    shown = {name: BLANKED if name in secret and value else value for name, value in checked.values.items()}
    files = render_files(contents, shown, LaunchFacts(stack_name, version.version))
    listed = "".join(f"{name}={value}\n" for name, value in sorted(shown.items()))
    texts = {
        "docker-compose.yml": files.docker_compose,
        "rancher-compose.yml": files.rancher_compose,
        "answers.txt": listed,
    }
    return LaunchPreview(files, {name: text for name, text in texts.items() if text.strip()})
