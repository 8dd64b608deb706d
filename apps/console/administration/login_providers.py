"""For administrators: who may log in and through which provider, its test, its switch, and the search for
identities to allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.models import PROVIDER_TITLES, AuthProvider
from apps.accounts.provider_config import (
    IDENTITY_KINDS,
    LOCAL_IDENTITY_KIND,
    REQUIRED,
    RESTRICTED,
    SECRETS,
    UNRESTRICTED,
)
from apps.accounts.providers import services
from apps.accounts.providers.search import identities_search
from apps.accounts.site_access import local_access, local_access_save
from apps.console.login.github_login import callback_url
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.core.errors import Invalid, NotFound, Problem

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


_WIDE_FIELDS = frozenset({"server", "domain", "serviceAccountUsername"})


@dataclass(frozen=True, slots=True)
class ProviderField:
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
    def is_wide(self) -> bool:
        """Whether it holds what is long: names of machines, DNs."""
        return self.name in _WIDE_FIELDS


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """Every way to log in, and whether it is on."""
    providers = [services.provider_by_kind(kind) for kind in PROVIDER_TITLES]
    rows = [
        (each, services.provider_account_count(each), MODES[each.config.access] if each.pk else "")
        for each in providers
    ]
    local = LOCAL_MODES[local_access().access]
    return ctx.render(
        "console/access.html", {"rows": rows, "local": local, "local_people": services.local_account_count()}
    )


@admin_required
def provider(ctx: RequestContext, kind: str) -> HttpResponse:
    """One provider: its configuration, its test, on and off."""
    row, errors = find_provider(kind), {}
    if ctx.request.method == "POST":
        try:
            saved = services.provider_save(kind, _parse_form(ctx), actor=ctx.actor)
            return ctx.success_response(_saved_message(saved), provider_url(kind))
        except Invalid as problem:
            errors = {problem.field or "server": problem.message}
    return ctx.render("console/access_provider.html", _form_context(ctx, row, errors), status=422 if errors else 200)


def provider_url(kind: str) -> str:
    """The page of a provider."""
    return reverse("console:access-provider", kwargs={"kind": kind})


def _saved_message(row: AuthProvider) -> str:
    if not row.is_on_trial:
        return _("Saved.")
    return _("Saved, and on trial: confirm it within five minutes, or it is taken back.")


def find_provider(kind: str) -> AuthProvider:
    """The provider of an address."""
    if kind not in PROVIDER_TITLES:
        raise NotFound(_("There is no such way to log in."))
    return services.provider_by_kind(kind)


def _form_context(ctx: RequestContext, row: AuthProvider, errors: Mapping[str, str]) -> dict[str, Any]:
    config_values = {**services.masked_config(row), **(ctx.request.POST.dict() if errors else {})}
    allowed_identities = format_identities(config_values["allowedIdentities"])

    def entries(labels: Mapping[str, str | Promise]) -> list[ProviderField]:
        return [
            ProviderField(name, label, "" if name in SECRETS else config_values[name] or "", errors.get(name, ""))
            for name, label in labels.items()
        ]

    is_directory = row.kind != "github"
    return {
        **provider_status(row),
        "is_directory": is_directory,
        "entries": entries(_DIRECTORY if is_directory else _GITHUB),
        "attributes": entries(_ATTRIBUTES) if is_directory else [],
        "encryption": config_values.get("encryption")
        or ("tls" if config_values.get("tls") else config_values.get("startTls") and "startTls"),
        "ca": config_values.get("caCertificate") or "",
        "allowed": allowed_identities,
        "mode": config_values["accessMode"],
        "modes": MODES,
        "secrets": services.secrets_set(row),
        "identity_kinds": sorted(IDENTITY_KINDS),
        "errors": errors,
        "other_errors": [text for name, text in errors.items() if name not in {**_DIRECTORY, **_GITHUB, **_ATTRIBUTES}],
        "return_address": callback_url(ctx.request),
    }


def provider_status(row: AuthProvider) -> dict[str, Any]:
    """How a provider is, for the part of its page that keeps itself current."""
    left = int((row.trial_until - timezone.now()).total_seconds()) if row.is_on_trial and row.trial_until else 0
    return {
        "row": row,
        "left": f"{left // 60}:{left % 60:02d}",
        "people": services.provider_account_count(row),
        "out": services.rejected_identities(row),
    }


def format_identities(allowed_identities: Any) -> str:
    """Allowed identities as the form shows them, one to a line."""
    if isinstance(allowed_identities, str):
        return allowed_identities
    return "\n".join(f"{each['externalIdType']} {each['externalId']}" for each in allowed_identities or ())


def parse_access_rule(form: QueryDict) -> dict[str, Any]:
    """Who may log in, as the form says it: lines that were typed, and boxes that were ticked among what was found."""
    typed = form.get("allowedIdentities", "").splitlines()
    pairs = [line.strip().partition(" ") for line in dict.fromkeys([*typed, *form.getlist("allow")]) if line.strip()]
    return {
        "accessMode": form.get("accessMode", UNRESTRICTED),
        "allowedIdentities": [{"externalIdType": kind, "externalId": name.strip()} for kind, _space, name in pairs],
    }


def _parse_form(ctx: RequestContext) -> dict[str, Any]:
    """The form as a v1 body: blanks are defaults, lines of allowed identities are objects."""
    form = ctx.request.POST
    values = {name: form.get(name, "").strip() for name in {**_DIRECTORY, **_GITHUB, **_ATTRIBUTES}}
    encryption = form.get("encryption", "")
    return {
        **{name: value for name, value in values.items() if value},
        **parse_access_rule(form),
        "tls": encryption == "tls",
        "startTls": encryption == "startTls",
        "caCertificate": form.get("caCertificate", "").strip(),
    }


@admin_required
def local_accounts(ctx: RequestContext) -> HttpResponse:
    """The rule, which never holds administrators back."""
    rule, errors = local_access().to_wire(), {}
    if ctx.request.method == "POST":
        rule = parse_access_rule(ctx.request.POST)
        try:
            return ctx.success_response(
                _local_saved_message(local_access_save(rule, actor=ctx.actor)), reverse("console:access")
            )
        except Invalid as problem:
            errors = {problem.field or "accessMode": problem.message}
    context = {
        "mode": rule["accessMode"],
        "modes": LOCAL_MODES,
        "allowed": format_identities(rule["allowedIdentities"]),
        "identity_kinds": sorted({LOCAL_IDENTITY_KIND, *IDENTITY_KINDS}),
        "other_errors": list(errors.values()),
    }
    return ctx.render("console/access_local.html", context, status=422 if errors else 200)


def _local_saved_message(ended: int) -> str:
    if not ended:
        return _("Saved.")
    message = ngettext("Saved. %(count)d session ended.", "Saved. %(count)d sessions ended.", ended)
    return message % {"count": ended}


@admin_required
def status_fragment(ctx: RequestContext, kind: str) -> HttpResponse:
    """The part of the page that keeps itself current."""
    return ctx.render("console/parts/provider_status.html", provider_status(find_provider(kind)))


@sensitive_post_parameters("password")
@admin_required
@post_required
def try_provider(ctx: RequestContext, kind: str) -> HttpResponse:
    """Try one's own name and password against what is stored."""
    find_provider(kind)
    sent = ctx.request.POST
    result = services.provider_test(kind, sent.get("login", ""), sent.get("password", ""), actor=ctx.actor)
    if not result or result.claims is None:
        raise Problem(result.reason, status=422, field="login")
    groups = ", ".join(sorted(group.name for group in result.claims.groups)) or _("none")
    message = _("It works: you are %(name)s there. Your groups: %(groups)s.")
    return ctx.success_response(message % {"name": result.claims.person.login, "groups": groups}, changed=False)


@sensitive_post_parameters("password")
@admin_required
@post_required
def provider_action(ctx: RequestContext, kind: str, action: str) -> HttpResponse:
    """On, confirmed, off, or asked anew about everybody."""
    row, sent = find_provider(kind), ctx.request.POST
    if action == "resync":
        return ctx.success_response(_resync_message(services.provider_resync(kind, actor=ctx.actor)), changed=False)
    if action == "enable":
        login, password = sent.get("login", ""), sent.get("password", "")
        services.provider_enable(kind, actor=ctx.actor, login=login, password=password)
        message = _("%(name)s is on for five minutes. Log in through it, or confirm it.")
    elif action == "confirm":
        services.provider_confirm(kind, actor=ctx.actor)
        message = _("%(name)s stays on.")
    elif action == "disable":
        services.provider_disable(kind, actor=ctx.actor)
        message = _("%(name)s is off.")
    else:
        raise NotFound(_("There is no such button."))
    return ctx.success_response(message % {"name": row}, provider_url(kind))


def _resync_message(count: int) -> str:
    message = ngettext("%(count)d person is asked about anew.", "%(count)d people are asked about anew.", count)
    return message % {"count": count}


@admin_required
def search_identities(ctx: RequestContext) -> HttpResponse:
    """Accounts, and people and groups of every provider that is on, with `q` in a name."""
    text = ctx.request.GET.get("q", "").strip()
    found = identities_search(ctx.actor, text)
    return ctx.render("console/parts/identities.html", {"text": text, "found": found})
