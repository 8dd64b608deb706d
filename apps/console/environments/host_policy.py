"""The host policy of an environment: what its containers may ask of their hosts, and which violate it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.policy.enforce import containers_in_violation
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.selectors import policies_of
from apps.core.edits import BasedOn
from apps.environments.access import can

GROUPS: dict[str | Promise, tuple[str, ...]] = {
    gettext_lazy("Power over the machine"): ("privileged", "bindMounts", "devices", "securityOpt"),
    gettext_lazy("Shared with the host"): ("hostNetwork", "hostPid", "hostIpc", "hostUts", "hostUserns"),
}
SWITCHES: dict[str, tuple[str | Promise, str | Promise]] = {
    "privileged": (gettext_lazy("Privileged containers"), gettext_lazy("root on the host, without further steps")),
    "bindMounts": (gettext_lazy("Any folder of the host"), gettext_lazy("also the engine's socket, which is root")),
    "hostNetwork": (gettext_lazy("The host's network"), gettext_lazy("sees and answers everything the host does")),
    "hostPid": (gettext_lazy("The host's processes"), gettext_lazy("sees, and as root ends, every process")),
    "hostIpc": (gettext_lazy("The host's shared memory"), gettext_lazy("reads what other programs share there")),
    "hostUts": (gettext_lazy("The host's name"), gettext_lazy("may rename the machine")),
    "hostUserns": (gettext_lazy("The host's users"), gettext_lazy("its root is the host's root")),
    "devices": (gettext_lazy("Devices"), gettext_lazy("disks and memory of the host among them")),
    "securityOpt": (gettext_lazy("Security options"), gettext_lazy("may switch seccomp, AppArmor and SELinux off")),
}
LISTS: dict[str, tuple[str | Promise, str | Promise]] = {
    "bindFolders": (gettext_lazy("Folders that may be mounted"), gettext_lazy("one per line, with what is below")),
    "capAdd": (gettext_lazy("Capabilities that may be added"), gettext_lazy("ALL: any")),
    "sysctls": (gettext_lazy("Sysctls that may be set"), gettext_lazy("a name, or its beginning and a *")),
    "volumeDrivers": (gettext_lazy("Volume drivers"), gettext_lazy("a name, or its beginning and a *")),
    "logDrivers": (gettext_lazy("Log drivers"), gettext_lazy("syslog, gelf and others send output to an address")),
}


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The rules: every member may read them, administrators may change them."""
    policy, decision = policies_of([ctx.env.pk])[ctx.env.pk]
    rules = policy.to_json()
    edit = Edit(ctx, rules, labels={name: texts[0] for name, texts in (SWITCHES | LISTS).items()})
    edit.saves_unchanged = decision is None

    def save(**changes: Any) -> None:
        policy_set(ctx.env, {**rules, **changes}, actor=ctx.actor, based_on=_basis(edit, changes))

    def context() -> dict[str, Any]:
        shown = {name: value for name, value in _parse_form(ctx.request.POST).items() if edit.is_typed(name)}
        return {**_form(rules | shown), "decision": decision, **_standing(ctx)}

    return handle_edit(
        edit, parse=lambda: _parse_form(ctx.request.POST), save=save, template="console/policy.html", context=context
    )


def _basis(edit: Edit, changes: Mapping[str, Any]) -> BasedOn | None:
    """What the changed rules were when the form was opened; the other ones are saved as they are now."""
    if edit.based_on is None:
        return None
    return BasedOn(None, {name: value for name, value in edit.based_on.values.items() if name in changes})


def _form(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the form."""
    return {
        "groups": [
            (title, [(name, *SWITCHES[name], rules[name]) for name in names]) for title, names in GROUPS.items()
        ],
        "lists": [(name, *texts, "\n".join(rules[name])) for name, texts in LISTS.items()],
    }


def _standing(ctx: RequestContext) -> dict[str, Any]:
    """Who may decide, and what runs against the rules."""
    return {
        "decide": can(ctx.actor, "admin", ctx.env.pk),
        "against": containers_in_violation(ctx.env.pk),
    }


def _parse_form(sent: QueryDict) -> dict[str, Any]:
    """Parse the form: a box that is not ticked means forbidden, an empty list allows nothing."""
    lists = {name: sent.get(name, "").replace(",", "\n").split() for name in LISTS}
    return {**{name: bool(sent.get(name)) for name in SWITCHES}, **lists}


@member_required
@post_required
def reset(ctx: RequestContext) -> HttpResponse:
    """Follow the installation's default again."""
    policy_reset(ctx.env, actor=ctx.actor)
    return ctx.success_response(_("This environment follows the installation's default."))
