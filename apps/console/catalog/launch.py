"""Launching a stack from a template, and upgrading it to another version: the questions, a preview, and the deed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from apps.catalog.launching import (
    StackOptions,
    UpgradeChoice,
    WrongAnswers,
    described,
    files_of_version,
    launch,
    preview_files,
    upgrade_choice,
)
from apps.catalog.models import Template, TemplateVersion
from apps.catalog.reading import TemplateQuestion, VersionInfo
from apps.console.catalog.question_form import PREFIX, question_groups, submitted_answers
from apps.console.catalog.templates import find
from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.port_warning import port_errors, require_free_ports
from apps.console.stacks.stacks import find as find_stack
from apps.core.errors import Invalid, NotFound, Problem
from apps.environments.access import verdict
from apps.stacks.compose import parse
from apps.stacks.models import Stack
from apps.stacks.port_shortage import compose_port_shortage, stack_port_shortage
from apps.stacks.stack_draft import StackDraft, StackFiles
from apps.stacks.stack_upgrade import preview_upgrade, stack_upgrade

_OWN_FIELDS = frozenset({"name", "description"})


def _chosen(ctx: RequestContext, template: Template) -> TemplateVersion:
    """The version that the form is about: the one it names, else the newest."""
    sent = ctx.request.POST.get("version") or ctx.request.GET.get("version") or ""
    number = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else template.newest_number
    found = TemplateVersion.objects.filter(template=template, number=-1 if number is None else number).first()
    if found is None:
        raise NotFound(_("This template has no such version."))
    found.template = template
    return found


def _errors(problem: Problem) -> dict[str, str]:
    """What is wrong by the names of the form's fields: answers, the name, or the form itself."""
    if isinstance(problem, WrongAnswers):
        return {f"{PREFIX}{name}": text for name, text in problem.errors.items()}
    return {problem.field if problem.field in _OWN_FIELDS else "form": problem.message}


def _answer_errors(errors: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(PREFIX): text for name, text in errors.items() if name.startswith(PREFIX)}


def _describe(version: TemplateVersion, errors: dict[str, str]) -> VersionInfo:
    """What the version asks; that it cannot be read is an error of the form."""
    try:
        return described(version)
    except Problem as problem:
        errors.setdefault("form", problem.message)
        return VersionInfo()


@sensitive_post_parameters()
@member_required
def new(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show the form of a version, or launch it."""
    ctx.require_permission("operate")
    template = find(ctx, pk)
    version, errors = _chosen(ctx, template), dict[str, str]()
    info = _describe(version, errors)
    values: Mapping[str, str] = {}
    if ctx.request.method == "POST" and not errors:
        values = submitted_answers(ctx.request.POST, info.questions)
        if ctx.request.POST.get("step") != "look":
            try:
                row = _launch(ctx, version, values)
                text = _("%(name)s is launched from %(template)s.") % {"name": row.name, "template": template.name}
                return ctx.success_response(text, buttons.row_url(row, ""))
            except (Invalid, Problem) as problem:
                errors = port_errors(problem) or _errors(problem)
    context = {
        "row": template,
        "version": version,
        "versions": _launchable(template),
        "info": info,
        "groups": question_groups(ctx.env, info.questions, values, _answer_errors(errors), is_typed=bool(values)),
        "values": ctx.request.POST or {"name": template.key.rpartition("*")[2][:63], "start": "on"},
        "errors": errors,
    }
    return ctx.render("console/template_launch.html", context, status=422 if errors else 200)


def _launchable(template: Template) -> list[TemplateVersion]:
    return list(TemplateVersion.objects.filter(template=template, fault="").order_by("-number"))


def _launch(ctx: RequestContext, version: TemplateVersion, answers: Mapping[str, str]) -> Stack:
    sent = ctx.request.POST
    options = StackOptions(
        sent.get("name", "").strip(), sent.get("description", "").strip(), start=bool(sent.get("start"))
    )
    with transaction.atomic():
        row = launch(actor=ctx.actor, environment=ctx.env, version=version, options=options, answers=answers)
        require_free_ports(sent, stack_port_shortage(row))
    return row


@sensitive_post_parameters()
@member_required
@post_required
def preview(ctx: RequestContext, pk: int) -> HttpResponse:
    """What would be launched with what is typed: the services, and every file."""
    ctx.require_permission("operate")
    version = _chosen(ctx, find(ctx, pk))
    context: dict[str, Any] = {"text": True}
    try:
        questions = described(version).questions
        answers = submitted_answers(ctx.request.POST, questions)
        name = ctx.request.POST.get("name", "").strip()
        shown = preview_files(version, answers, stack_name=name)
        context["texts"], context["warnings"] = shown.texts, shown.files.warnings
        parsed = parse(shown.files.docker_compose, shown.files.rancher_compose, shown.files.variables, stack_name=name)
        context |= {"parsed": parsed, "shortage": compose_port_shortage(ctx.env, parsed)}
    except WrongAnswers as problem:
        labels = {each.variable: each.label for each in questions}
        context["unanswered"] = {labels.get(name, name): text for name, text in problem.errors.items()}
    except Problem as problem:
        context["problem"] = problem
    return ctx.render("console/parts/template_preview.html", context)


@sensitive_post_parameters()
@member_required
def upgrade(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show what a stack can be upgraded to, what that would do, or do it; only what was looked at is done."""
    ctx.require_permission("operate")
    row = find_stack(ctx, pk)
    choice = upgrade_choice(ctx.actor, row)
    version = _target(ctx, choice)
    if version is None:
        return ctx.render("console/stack_template.html", {"row": row, "choice": choice})
    errors, draft = dict[str, str](), None
    info = _describe(version, errors)
    answers = _current_answers(ctx, row, info.questions)
    if ctx.request.method == "POST" and not errors:
        answers = submitted_answers(ctx.request.POST, info.questions)
        try:
            files = _upgrade_files(ctx, row, version, answers)
            is_looked_at = ctx.request.POST.get("previewed", "") == _digest(version, answers, files)
            if ctx.request.POST.get("step") == "apply" and is_looked_at:
                stack_upgrade(row, files, actor=ctx.actor)
                text = _("Upgrading %(name)s to %(version)s.") % {"name": row.name, "version": version.version}
                return ctx.success_response(text, buttons.row_url(row, ""))
            if ctx.request.POST.get("step") in {"preview", "apply"}:
                draft = preview_upgrade(row, files, actor=ctx.actor)
        except Problem as problem:
            errors = _errors(problem)
    context = {
        "row": row,
        "choice": choice,
        "version": version,
        "info": info,
        "groups": question_groups(
            ctx.env, info.questions, answers, _answer_errors(errors), is_typed=ctx.request.method == "POST"
        ),
        "values": ctx.request.POST,
        "errors": errors,
        "previewed": _digest(version, answers, _removal(ctx)) if draft else "",
        "verdict": verdict(ctx.actor, "upgrade", row),
        **_draft_context(draft),
    }
    return ctx.render("console/stack_template.html", context, status=422 if errors else 200)


def _draft_context(draft: StackDraft | None) -> dict[str, Any]:
    return {
        "draft": draft,
        "changes": [each.change for each in draft.steps] if draft else (),
        "starting": [each.change.name for each in draft.steps if each.starts] if draft else (),
    }


def _target(ctx: RequestContext, choice: UpgradeChoice) -> TemplateVersion | None:
    """The version that the form is about: the one it names, else the newest, else the stack's own."""
    sent = ctx.request.POST.get("version") or ctx.request.GET.get("version") or ""
    if sent.isascii() and sent.isdigit() and len(sent) < 10 and choice.current is not None:
        try:
            return choice.find(int(sent))
        except Invalid as problem:
            raise Problem(problem.message, status=404) from None
    return choice.versions[0] if choice.versions else choice.current


def _current_answers(ctx: RequestContext, row: Stack, questions: tuple[TemplateQuestion, ...]) -> dict[str, str]:
    """The answers that the stack was made with; nothing of them for who may not see values."""
    stored = row.variables or {} if ctx.can("values") else {}
    return {each.variable: str(stored.get(each.variable, each.default)) for each in questions}


def _removal(ctx: RequestContext) -> StackFiles:
    return StackFiles(remove_missing=bool(ctx.request.POST.get("removeMissing")))


def _upgrade_files(ctx: RequestContext, row: Stack, version: TemplateVersion, answers: Mapping[str, str]) -> StackFiles:
    base = StackFiles(
        remove_missing=bool(ctx.request.POST.get("removeMissing")),
        based_on=ctx.request.POST.get("basedOn", ""),
        note=ctx.request.POST.get("note", ""),
    )
    return files_of_version(row, version, answers, actor=ctx.actor, base=base)


def _digest(version: TemplateVersion, answers: Mapping[str, str], files: StackFiles) -> str:
    """Changes whenever the form does: what was edited after the preview is looked at again first."""
    said = [version.pk, version.digest, sorted(answers.items()), files.remove_missing]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
