"""The host policy of an environment: what its containers may ask of their hosts, and which stand against it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.door import Visit, inside, posted
from apps.containers.decisions import policy_reset, policy_set
from apps.containers.guard import not_allowed
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


@inside
def index(visit: Visit) -> HttpResponse:
    """The rules for all members to read, for administrators to change."""
    policy, decision = policies_of([visit.env.pk])[visit.env.pk]
    errors: dict[str, str] = {}
    shown = policy.to_json()
    if visit.request.method == "POST":
        shown = _typed(visit.request.POST)
        try:
            policy_set(visit.env, shown, actor=visit.actor)
            return visit.done(_("The host policy was changed."))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {
        "groups": [
            (title, [(name, *SWITCHES[name], shown[name]) for name in names]) for title, names in GROUPS.items()
        ],
        "lists": [(name, *words, "\n".join(shown[name]), errors.get(name, "")) for name, words in LISTS.items()],
        "errors": errors,
        "decision": decision,
        "decide": can(visit.actor, "admin", visit.env.pk),
        "against": not_allowed(visit.env.pk),
    }
    return visit.show("console/policy.html", context, status=422 if errors else 200)


def _typed(sent: QueryDict) -> dict[str, Any]:
    """The form as rules: a box that is not ticked is closed, an empty list names nothing."""
    lists = {name: sent.get(name, "").replace(",", "\n").split() for name in LISTS}
    return {**{name: bool(sent.get(name)) for name in SWITCHES}, **lists}


@inside
@posted
def reset(visit: Visit) -> HttpResponse:
    """Follow the installation's default again."""
    policy_reset(visit.env, actor=visit.actor)
    return visit.done(_("This environment follows the installation's default."))
