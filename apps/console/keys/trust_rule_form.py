"""The forms that make a trust rule, for GitHub Actions, GitLab or another issuer, and that change one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext, member_required
from apps.core.errors import Invalid
from apps.environments.selectors import role_choices
from apps.federation.jobs import GITHUB, GITLAB
from apps.federation.models import TrustRule
from apps.federation.selectors import trust_rules_of
from apps.federation.services import DEFAULT_MINUTES, MAX_MINUTES, MIN_MINUTES, trust_rule_create, trust_rule_update
from apps.federation.snippets import GITHUB_ACTIONS, GITLAB_CI, OTHER
from apps.hosts.selectors import portal_base_url

MAX_CONDITIONS_TEXT = 16_384


@dataclass(frozen=True, slots=True)
class Preset:
    """What the form of one kind of issuer begins with."""

    title: str | Promise
    button: str | Promise
    issuer: str
    conditions: tuple[str, ...]
    hint: str | Promise


PRESETS = {
    GITHUB_ACTIONS: Preset(
        gettext_lazy("Trust GitHub Actions"),
        gettext_lazy("GitHub Actions"),
        GITHUB,
        ("repository=", "ref=refs/heads/main"),
        gettext_lazy(
            "repository is OWNER/NAME. Add environment=NAME for a deployment environment, and repository_id=NUMBER to"
            " hold on to this very repository if its name is given to somebody else one day."
        ),
    ),
    GITLAB_CI: Preset(
        gettext_lazy("Trust GitLab"),
        gettext_lazy("GitLab"),
        GITLAB,
        ("project_path=", "ref=main", "ref_protected=true"),
        gettext_lazy(
            "project_path is GROUP/NAME. The issuer is the address of your GitLab. Add project_id=NUMBER to hold on to"
            " this very project if its name is given to somebody else one day."
        ),
    ),
    OTHER: Preset(
        gettext_lazy("Trust another issuer"),
        gettext_lazy("Another issuer"),
        "",
        ("sub=",),
        gettext_lazy("Any issuer with an OpenID Connect discovery document. sub is the subject of its tokens."),
    ),
}
_LABELS = {
    "issuer": gettext_lazy("Issuer"),
    "audience": gettext_lazy("Audience"),
    "conditions": gettext_lazy("Conditions"),
    "minutes": gettext_lazy("Minutes"),
}
_TEXTS = ("name", "description", "issuer", "audience", "role", "minutes")


@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Make a rule, beginning with what is usual for its kind of issuer."""
    ctx.require_permission("keys")
    name = ctx.request.POST.get("preset") or ctx.request.GET.get("preset", "")
    kind = name if name in PRESETS else GITHUB_ACTIONS
    values, errors = _first_values(ctx, PRESETS[kind]), {}
    if ctx.request.method == "POST":
        values = ctx.request.POST.dict()
        try:
            row = trust_rule_create(actor=ctx.actor, environment=ctx.env, **_parse(ctx))
            message = _("Trust rule %(name)s was made.") % {"name": row}
            return ctx.success_response(message, buttons.row_url(row, ""))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {"values": values, "errors": errors, "kind": kind, "preset": PRESETS[kind], **_choices(ctx)}
    return ctx.render("console/trust_rule_new.html", context, status=422 if errors else 200)


def _first_values(ctx: RequestContext, preset: Preset) -> Mapping[str, Any]:
    return {
        "issuer": preset.issuer,
        "audience": portal_base_url(ctx.request.build_absolute_uri("/")),
        "conditions": "\n".join(preset.conditions),
        "role": "restricted",
        "minutes": DEFAULT_MINUTES,
    }


def _choices(ctx: RequestContext) -> dict[str, Any]:
    limits = {"low": MIN_MINUTES, "high": MAX_MINUTES}
    return {"roles": role_choices(ctx.actor.permissions(ctx.env.pk)), "limits": limits}


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change a rule."""
    row: TrustRule = ctx.get_or_404(trust_rules_of(ctx.actor, ctx.env.pk), pk)
    ctx.require_permission("keys")
    current = {name: getattr(row, name) for name in (*_TEXTS, "conditions")}
    edit = Edit(ctx, current, row, labels=_LABELS)

    def context() -> dict[str, Any]:
        values = {name: edit.text(name) for name in _TEXTS}
        values["conditions"] = (
            ctx.request.POST.get("conditions", "")
            if edit.is_typed("conditions")
            else "\n".join(f"{name}={value}" for name, value in row.conditions.items())
        )
        return {"values": values, **_choices(ctx)}

    return handle_edit(
        edit,
        parse=lambda: _parse(ctx),
        save=partial(trust_rule_update, row, actor=ctx.actor),
        template="console/trust_rule_edit.html",
        context=context,
    )


def _parse(ctx: RequestContext) -> dict[str, Any]:
    """The form as arguments of the services. Raises `Invalid` for conditions that are none."""
    sent = ctx.request.POST
    found: dict[str, Any] = {name: sent.get(name, "").strip() for name in _TEXTS}
    minutes = found["minutes"]
    found["minutes"] = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 9 else minutes
    return {**found, "conditions": parse_conditions(sent.get("conditions", ""))}


def parse_conditions(text: str) -> dict[str, str]:
    """Conditions as typed, `claim=value` one per line. Raises `Invalid` at `conditions`."""
    found: dict[str, str] = {}
    for number, line in enumerate(text[:MAX_CONDITIONS_TEXT].splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not (name and equals):
            raise Invalid("conditions", "InvalidFormat", _("Line %(number)d is not claim=value.") % {"number": number})
        if name in found:
            raise Invalid(
                "conditions",
                "NotUnique",
                _("%(name)s is named twice; make a second rule for its other value.") % {"name": name},
            )
        found[name] = value
    return found
