"""For administrators: who may log in, and through what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import admin
from apps.accounts.models import TITLES, AuthProvider
from apps.accounts.spec import IDENTITY_KINDS, REQUIRED, RESTRICTED, SECRETS, UNRESTRICTED
from apps.console.door import Visit, admins, posted
from apps.console.github import return_address
from apps.core.errors import NotFound, Problem

_t = gettext_lazy
MODES = {
    UNRESTRICTED: _t("Everybody the provider knows"),
    RESTRICTED: _t("Members of environments, and the people and groups below"),
    REQUIRED: _t("Only the people and groups below"),
}
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


@admins
def index(visit: Visit) -> HttpResponse:
    """Every way to log in, and whether it is on."""
    providers = [admin.provider_of(kind) for kind in TITLES]
    rows = [(provider, admin.people_of(provider)) for provider in providers]
    return visit.show("console/access.html", {"rows": rows})


@admins
def provider(visit: Visit, kind: str) -> HttpResponse:
    """One provider: its configuration, its test, on and off."""
    row, errors = _find(kind), {}
    if visit.request.method == "POST":
        try:
            admin.provider_save(kind, _sent(visit), actor=visit.actor)
            return visit.done(_("Saved."), _here(kind))
        except Problem as problem:
            errors = {problem.field or "server": problem.message}
    return visit.show("console/access_provider.html", _context(visit, row, errors), status=422 if errors else 200)


@admins
@posted
def test(visit: Visit, kind: str) -> HttpResponse:
    """Try one's own name and password against what is stored."""
    _find(kind)
    sent = visit.request.POST
    tested = admin.provider_test(kind, sent.get("login", ""), sent.get("password", ""), actor=visit.actor)
    if not tested or tested.claims is None:
        raise Problem(tested.reason, status=422, field="login")
    groups = ", ".join(sorted(group.name for group in tested.claims.groups)) or _("none")
    told = _("It works: you are %(name)s there. Your groups: %(groups)s.")
    return visit.done(told % {"name": tested.claims.person.login, "groups": groups}, changed=False)


@admins
@posted
def switch(visit: Visit, kind: str, action: str) -> HttpResponse:
    """On, confirmed, or off."""
    row, sent = _find(kind), visit.request.POST
    if action == "enable":
        admin.provider_enable(kind, actor=visit.actor, login=sent.get("login", ""), password=sent.get("password", ""))
        return visit.done(
            _("%(name)s is on for five minutes. Log in through it, or confirm it.") % {"name": row}, _here(kind)
        )
    if action == "confirm":
        admin.provider_confirm(kind, actor=visit.actor)
        return visit.done(_("%(name)s stays on.") % {"name": row}, _here(kind))
    admin.provider_disable(kind, actor=visit.actor)
    return visit.done(_("%(name)s is off.") % {"name": row}, _here(kind))


def _here(kind: str) -> str:
    return reverse("console:access-provider", kwargs={"kind": kind})


def _find(kind: str) -> AuthProvider:
    if kind not in TITLES:
        raise NotFound(_("There is no such way to log in."))
    return admin.provider_of(kind)


def _context(visit: Visit, row: AuthProvider, errors: Mapping[str, str]) -> dict[str, Any]:
    shown = {**admin.shown_config(row), **(visit.request.POST.dict() if errors else {})}
    allowed = shown["allowedIdentities"]
    if not isinstance(allowed, str):
        allowed = "\n".join(f"{each['externalIdType']} {each['externalId']}" for each in allowed or ())

    def entries(labels: Mapping[str, str | Promise]) -> list[Entry]:
        return [
            Entry(name, label, "" if name in SECRETS else shown[name] or "", errors.get(name, ""))
            for name, label in labels.items()
        ]

    is_directory = row.kind != "github"
    return {
        "row": row,
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


def _sent(visit: Visit) -> dict[str, Any]:
    """The form as a v1 body: blanks are defaults, lines of allowed identities are objects."""
    form = visit.request.POST
    given = {name: form.get(name, "").strip() for name in {**_DIRECTORY, **_GITHUB, **_ATTRIBUTES}}
    lines = [line.strip().partition(" ") for line in form.get("allowedIdentities", "").splitlines() if line.strip()]
    encryption = form.get("encryption", "")
    return {
        **{name: value for name, value in given.items() if value},
        "accessMode": form.get("accessMode", UNRESTRICTED),
        "allowedIdentities": [{"externalIdType": kind, "externalId": name.strip()} for kind, _gap, name in lines],
        "tls": encryption == "tls",
        "startTls": encryption == "startTls",
        "caCertificate": form.get("caCertificate", "").strip(),
    }
