"""For administrators: who may log in, and through what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import admin
from apps.accounts.access import local_access
from apps.accounts.models import TITLES, AuthProvider
from apps.accounts.spec import IDENTITY_KINDS, REQUIRED, RESTRICTED, SECRETS, UNRESTRICTED
from apps.console.door import Visit, admins
from apps.console.github import return_address
from apps.core.errors import Invalid, NotFound

_t = gettext_lazy
MODES = {
    UNRESTRICTED: _t("Everybody the provider knows"),
    RESTRICTED: _t("Members of environments, and the people and groups below"),
    REQUIRED: _t("Only the people and groups below"),
}
LOCAL_MODES = {**MODES, UNRESTRICTED: _t("Everybody with a password here")}
_GITHUB = {
    "clientId": _t("Client id"),
    "clientSecret": _t("Client secret"),
    "hostname": _t("Enterprise host name"),
    "scheme": _t("Its scheme"),
}
_DIRECTORY = {
    "server": _t("Servers"),
    "port": _t("Port"),
    "domain": _t("Search base"),
    "loginDomain": _t("Log-in domain"),
    "serviceAccountUsername": _t("Service account"),
    "serviceAccountPassword": _t("Its password"),
}
_ATTRIBUTES = {
    "connectionTimeout": _t("Patience, in ms"),
    "userSearchField": _t("Person: search attribute"),
    "userLoginField": _t("Person: log-in attribute"),
    "userObjectClass": _t("Person: object class"),
    "userNameField": _t("Person: name attribute"),
    "userEnabledAttribute": _t("Person: status attribute"),
    "userDisabledBitMask": _t("Person: status bits when off"),
    "groupSearchField": _t("Group: search attribute"),
    "groupObjectClass": _t("Group: object class"),
    "groupNameField": _t("Group: name attribute"),
    "userMemberAttribute": _t("Person: groups attribute"),
    "groupMemberMappingAttribute": _t("Group: members attribute"),
}


_LONG = frozenset({"server", "domain", "serviceAccountUsername"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the form."""

    name: str
    label: str | Promise
    value: Any
    error: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether what is stored is not shown."""
        return self.name in SECRETS

    @property
    def is_broad(self) -> bool:
        """Whether it holds what is long: names of machines, DNs."""
        return self.name in _LONG


@admins
def index(visit: Visit) -> HttpResponse:
    """Every way to log in, and whether it is on."""
    providers = [admin.provider_of(kind) for kind in TITLES]
    rows = [(each, admin.people_of(each), MODES[each.config.access] if each.pk else "") for each in providers]
    local = LOCAL_MODES[local_access().access]
    return visit.show("console/access.html", {"rows": rows, "local": local, "local_people": admin.local_people()})


@admins
def provider(visit: Visit, kind: str) -> HttpResponse:
    """One provider: its configuration, its test, on and off."""
    row, errors = find(kind), {}
    if visit.request.method == "POST":
        try:
            saved = admin.provider_save(kind, _sent(visit), actor=visit.actor)
            return visit.done(_saved(saved), here(kind))
        except Invalid as problem:
            errors = {problem.field or "server": problem.message}
    return visit.show("console/access_provider.html", _context(visit, row, errors), status=422 if errors else 200)


def here(kind: str) -> str:
    """The page of a provider."""
    return reverse("console:access-provider", kwargs={"kind": kind})


def _saved(row: AuthProvider) -> str:
    if not row.is_on_trial:
        return _("Saved.")
    return _("Saved, and on trial: confirm it within five minutes, or it is taken back.")


def find(kind: str) -> AuthProvider:
    """The provider of an address."""
    if kind not in TITLES:
        raise NotFound(_("There is no such way to log in."))
    return admin.provider_of(kind)


def _context(visit: Visit, row: AuthProvider, errors: Mapping[str, str]) -> dict[str, Any]:
    shown = {**admin.shown_config(row), **(visit.request.POST.dict() if errors else {})}
    allowed = lines_of(shown["allowedIdentities"])

    def entries(labels: Mapping[str, str | Promise]) -> list[Entry]:
        return [
            Entry(name, label, "" if name in SECRETS else shown[name] or "", errors.get(name, ""))
            for name, label in labels.items()
        ]

    is_directory = row.kind != "github"
    return {
        **status(row),
        "is_directory": is_directory,
        "entries": entries(_DIRECTORY if is_directory else _GITHUB),
        "attributes": entries(_ATTRIBUTES) if is_directory else [],
        "encryption": shown.get("encryption") or ("tls" if shown.get("tls") else shown.get("startTls") and "startTls"),
        "ca": shown.get("caCertificate") or "",
        "allowed": allowed,
        "mode": shown["accessMode"],
        "modes": MODES,
        "secrets": admin.secrets_set(row),
        "identity_kinds": sorted(IDENTITY_KINDS),
        "errors": errors,
        "stray": [text for name, text in errors.items() if name not in {**_DIRECTORY, **_GITHUB, **_ATTRIBUTES}],
        "return_address": return_address(visit.request),
    }


def status(row: AuthProvider) -> dict[str, Any]:
    """How a provider is, for the part of its page that keeps itself current."""
    left = int((row.trial_until - timezone.now()).total_seconds()) if row.is_on_trial and row.trial_until else 0
    return {
        "row": row,
        "left": f"{left // 60}:{left % 60:02d}",
        "people": admin.people_of(row),
        "out": admin.people_out(row),
    }


def lines_of(allowed: Any) -> str:
    """Allowed identities as the form shows them, one to a line."""
    if isinstance(allowed, str):
        return allowed
    return "\n".join(f"{each['externalIdType']} {each['externalId']}" for each in allowed or ())


def site_access(form: QueryDict) -> dict[str, Any]:
    """Who may log in, as the form says it: lines that were typed, and boxes that were ticked among what was found."""
    typed = form.get("allowedIdentities", "").splitlines()
    pairs = [line.strip().partition(" ") for line in dict.fromkeys([*typed, *form.getlist("allow")]) if line.strip()]
    return {
        "accessMode": form.get("accessMode", UNRESTRICTED),
        "allowedIdentities": [{"externalIdType": kind, "externalId": name.strip()} for kind, _gap, name in pairs],
    }


def _sent(visit: Visit) -> dict[str, Any]:
    """The form as a v1 body: blanks are defaults, lines of allowed identities are objects."""
    form = visit.request.POST
    given = {name: form.get(name, "").strip() for name in {**_DIRECTORY, **_GITHUB, **_ATTRIBUTES}}
    encryption = form.get("encryption", "")
    return {
        **{name: value for name, value in given.items() if value},
        **site_access(form),
        "tls": encryption == "tls",
        "startTls": encryption == "startTls",
        "caCertificate": form.get("caCertificate", "").strip(),
    }
