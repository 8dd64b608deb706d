"""The host policy of an environment: what its containers may ask of their hosts, and which violate it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.policy.enforce import containers_in_violation
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.selectors import policies_of
from apps.core.errors import Invalid
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
    "bindFolders": (gettext_lazy("Folders that may be mounted"), gettext_lazy("one to a line, with what is below")),
    "capAdd": (gettext_lazy("Capabilities that may be added"), gettext_lazy("ALL: any")),
    "sysctls": (gettext_lazy("Sysctls that may be set"), gettext_lazy("a name, or its beginning and a *")),
    "volumeDrivers": (gettext_lazy("Volume drivers"), gettext_lazy("a name, or its beginning and a *")),
}


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The rules: every member may read them, administrators may change them."""
    policy, decision = policies_of([ctx.env.pk])[ctx.env.pk]
    errors: dict[str, str] = {}
    rules = policy.to_json()
    if ctx.request.method == "POST":
        rules = _parse_form(ctx.request.POST)
        try:
            policy_set(ctx.env, rules, actor=ctx.actor)
            return ctx.success_response(_("The host policy was changed."))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {
        "groups": [
            (title, [(name, *SWITCHES[name], rules[name]) for name in names]) for title, names in GROUPS.items()
        ],
        "lists": [(name, *texts, "\n".join(rules[name]), errors.get(name, "")) for name, texts in LISTS.items()],
        "errors": errors,
        "decision": decision,
        "decide": can(ctx.actor, "admin", ctx.env.pk),
        "against": containers_in_violation(ctx.env.pk),
    }
    return ctx.render("console/policy.html", context, status=422 if errors else 200)


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
