"""For administrators: who may log in and through which provider, its test, its switch, and the search for
identities to allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, provider_identity_kinds
from apps.accounts.models import AuthProvider
from apps.accounts.provider_config import ISSUER_CHANGE, OTHER_SERVER, REQUIRED, RESTRICTED, SAME_SERVER, UNRESTRICTED
from apps.accounts.providers import services
from apps.accounts.providers.base import RedirectProvider
from apps.accounts.providers.issuer import deleted_on_confirmation
from apps.accounts.providers.registry import provider_kinds, provider_of
from apps.accounts.providers.search import identities_search
from apps.accounts.site_access import local_access, local_access_save
from apps.console.administration.provider_form import (
    form_choices,
    form_fields,
    format_identities,
    parse_access_rule,
    parse_form,
)
from apps.console.login.redirect_login import return_url
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.core.errors import Invalid, NotFound, Problem

_t = gettext_lazy
MODES = {
    UNRESTRICTED: _t("Everybody the provider knows"),
    RESTRICTED: _t("Members of environments, and the people and groups below"),
    REQUIRED: _t("Only the people and groups below"),
}
ISSUER_CHANGES = {
    SAME_SERVER: _t("The same server at another address: keep its people, groups and roles"),
    OTHER_SERVER: _t("Another server: forget the people, groups and roles of the former when this is confirmed"),
}
LOCAL_MODES = {**MODES, UNRESTRICTED: _t("Everybody with a password here")}


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """Every way to log in, and whether it is on."""
    providers = [services.provider_by_kind(kind) for kind in provider_kinds()]
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
            saved = services.provider_save(kind, parse_form(ctx.request.POST, provider_of(kind)), actor=ctx.actor)
            return ctx.success_response(_saved_message(saved), provider_url(kind))
        except Invalid as problem:
            errors = {problem.field or "": problem.message}
    return ctx.render("console/access_provider.html", _form_context(ctx, row, errors), status=422 if errors else 200)


def provider_url(kind: str) -> str:
    """The page of a provider."""
    return reverse("console:access-provider", kwargs={"kind": kind})


def _saved_message(row: AuthProvider) -> str:
    if not row.is_on_trial:
        return _("Saved.")
    return _("Saved, on probation: confirm it within five minutes, or the change is reverted.")


def find_provider(kind: str) -> AuthProvider:
    """The provider of an address."""
    if kind not in provider_kinds():
        raise NotFound(_("There is no such way to log in."))
    return services.provider_by_kind(kind)


def _form_context(ctx: RequestContext, row: AuthProvider, errors: Mapping[str, str]) -> dict[str, Any]:
    values = {**services.masked_config(row), **(ctx.request.POST.dict() if errors else {})}
    fields = form_fields(row.login_provider, values, errors)
    lines = [each for each in fields if each.is_text]
    return {
        **provider_status(row),
        **_flow_context(ctx, row),
        "entries": [each for each in lines if not each.declared.is_advanced],
        "attributes": [each for each in lines if each.declared.is_advanced],
        "choices": form_choices(row.login_provider, values),
        "areas": [each for each in fields if each.declared.size == "area"],
        "allowed": format_identities(values["allowedIdentities"]),
        "mode": values["accessMode"],
        "modes": MODES,
        "secrets": services.secrets_set(row),
        "identity_kinds": sorted(provider_identity_kinds()),
        "errors": errors,
        "issuer_changes": ISSUER_CHANGES if ISSUER_CHANGE in errors else {},
        "other_errors": [text for name, text in errors.items() if name not in {each.name for each in lines}],
    }


def _flow_context(ctx: RequestContext, row: AuthProvider) -> dict[str, Any]:
    """What the page says about how people log in: by password, or through pages that must know the way back."""
    login_provider = row.login_provider
    if not isinstance(login_provider, RedirectProvider):
        return {"takes_passwords": True}
    hint = _(login_provider.setup_hint)
    return {"takes_passwords": False, "setup_hint": hint, "return_address": return_url(ctx.request, row.kind)}


def provider_status(row: AuthProvider) -> dict[str, Any]:
    """How a provider is, for the part of its page that keeps itself current."""
    left = int((row.trial_until - timezone.now()).total_seconds()) if row.is_on_trial and row.trial_until else 0
    return {
        "row": row,
        "left": f"{left // 60}:{left % 60:02d}",
        "people": services.provider_account_count(row),
        "out": services.rejected_identities(row),
        "deleted_on_confirmation": deleted_on_confirmation(row),
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
        "identity_kinds": sorted({LOCAL_IDENTITY_KIND, *provider_identity_kinds()}),
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
    """Switch it on or off, confirm it, or re-sync everybody."""
    row, sent = find_provider(kind), ctx.request.POST
    if action == "resync":
        return ctx.success_response(_resync_message(services.provider_resync(kind, actor=ctx.actor)), changed=False)
    if action == "enable":
        login, password = sent.get("login", ""), sent.get("password", "")
        services.provider_enable(kind, actor=ctx.actor, login=login, password=password)
        message = _("%(name)s is on probation for five minutes. Log in through it, or confirm it.")
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
    message = ngettext("Re-syncing %(count)d person.", "Re-syncing %(count)d people.", count)
    return message % {"count": count}


@admin_required
def search_identities(ctx: RequestContext) -> HttpResponse:
    """Accounts, and people and groups of every provider that is on, with `q` in a name."""
    text = ctx.request.GET.get("q", "").strip()
    found = identities_search(ctx.actor, text)
    return ctx.render("console/parts/identities.html", {"text": text, "found": found})
