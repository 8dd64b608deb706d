"""API keys of an environment or of one's account; a secret is shown only once."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey
from apps.console.components import buttons
from apps.console.components.listing import Listing, count_states, filter_state, paginate, query_filters, sort_rows
from apps.console.components.removal_dialog import ask_removal
from apps.console.keys.key_form import api_endpoint, curl_example, handle_key_edit, handle_new_key
from apps.console.request_context import (
    RequestContext,
    login_required,
    member_required,
    post_required,
)
from apps.environments.access import Verdict
from apps.environments.services import key_act, require_may_make_key

COLUMNS = {
    "state": "display_state",
    "name": "name",
    "account": "account__login",
    "expires": "expires",
    "used": "last_used",
}


def keys_of_environment(ctx: RequestContext) -> QuerySet[ApiKey]:
    """The keys of the environment, the newest first."""
    rows = ApiKey.objects.filter(scope__environment=ctx.env, removed=None)
    return rows.select_related("account", "scope").order_by("-pk")


def keys_of_account(ctx: RequestContext) -> QuerySet[ApiKey]:
    """The account's own keys, the newest first."""
    return ApiKey.objects.filter(account=ctx.actor.user, scope=None, removed=None).order_by("-pk")


def _list(ctx: RequestContext, rows: QuerySet[ApiKey]) -> dict[str, Listing | list[tuple[str, int]]]:
    """The page of these keys that the query asks for, the newest first, and how many are in each state."""
    filters = query_filters(ctx.request, "q", "state")
    if text := filters["q"]:
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text) | Q(public_value__icontains=text))
    found, sort = filter_state(rows, filters["state"]), ctx.request.GET.get("sort", "")
    ordered = sort_rows(found, sort, COLUMNS) if sort else found
    return {"page": paginate(ctx.request, ordered, filters), "states": count_states(rows)}


@member_required
def environment_keys(ctx: RequestContext) -> HttpResponse:
    """The endpoint of this environment and its keys."""
    context = {
        "endpoint": api_endpoint(ctx),
        "example": curl_example(ctx),
        **_list(ctx, keys_of_environment(ctx)),
        "add": buttons.custom_button(_("Add key"), "plus", ctx.url("key-new"), ctx.can("keys"), is_dialog=True),
    }
    return ctx.render("console/keys.html", context)


@login_required
def account_keys(ctx: RequestContext) -> HttpResponse:
    """The keys that act as this account in all its environments."""
    add = buttons.custom_button(_("Add key"), "plus", ctx.url("account-key-new"), Verdict(allowed=True), is_dialog=True)
    context = {
        "endpoint": api_endpoint(ctx),
        "example": curl_example(ctx),
        **_list(ctx, keys_of_account(ctx)),
        "add": add,
        "is_account": True,
    }
    return ctx.render("console/keys.html", context)


@member_required
def environment_key_new(ctx: RequestContext) -> HttpResponse:
    """Create a key of this environment."""
    ctx.require_permission("keys")
    return handle_new_key(ctx)


@login_required
def account_key_new(ctx: RequestContext) -> HttpResponse:
    """Create a key of this account; an administrator confirms the password first, not after the form is filled in."""
    if ctx.actor.user is not None and ctx.request.method != "POST":
        require_may_make_key(ctx.actor, ctx.actor.user, "")
    return handle_new_key(ctx)


@member_required
def environment_key_edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change the limits of a key of this environment."""
    ctx.require_permission("keys")
    return handle_key_edit(ctx, ctx.get_or_404(keys_of_environment(ctx), pk))


@login_required
def account_key_edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change the limits of a key of this account."""
    return handle_key_edit(ctx, ctx.get_or_404(keys_of_account(ctx), pk))


def _apply_action(ctx: RequestContext, row: ApiKey, action: str) -> HttpResponse:
    key_act(row, buttons.require_known_action(row, action), actor=ctx.actor, environment=ctx.environment)
    return ctx.success_response(_("Done."))


@member_required
@post_required
def environment_key_do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this environment."""
    return _apply_action(ctx, ctx.get_or_404(keys_of_environment(ctx), pk), action)


@login_required
@post_required
def account_key_do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this account."""
    return _apply_action(ctx, ctx.get_or_404(keys_of_account(ctx), pk), action)


@member_required
def environment_key_remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then delete a key of this environment."""
    return _remove(ctx, ctx.get_or_404(keys_of_environment(ctx), pk))


@login_required
def account_key_remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then delete a key of this account."""
    return _remove(ctx, ctx.get_or_404(keys_of_account(ctx), pk))


def _remove(ctx: RequestContext, row: ApiKey) -> HttpResponse:
    consequences = [_("Programs that use it are refused from now on.")]
    return ask_removal(
        ctx,
        row,
        remove=lambda: _apply_action(ctx, row, "remove"),
        ask=lambda: {"kind": _("API key"), "consequences": consequences},
    )
