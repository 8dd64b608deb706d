"""The members of an environment: search, add, change role, remove."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.identity_kinds import group_kinds
from apps.accounts.models import User
from apps.accounts.providers.search import identities_search
from apps.console.environments.environments import find
from apps.console.request_context import RequestContext, login_required, post_required
from apps.core.edits import BasedOn
from apps.core.errors import Forbidden, Problem
from apps.core.ids import wire_id
from apps.environments.access import can
from apps.environments.models import Environment
from apps.environments.selectors.members import members_of
from apps.environments.services import member_change

MAX_HITS = 12
MemberIdentity = tuple[str, str]


@login_required
def search(ctx: RequestContext, pk: int) -> HttpResponse:
    """People and groups that match, local and from every log-in provider, as buttons that add them."""
    row = find(ctx, pk)
    allowed = can(ctx.actor, "members", row.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    text = ctx.request.GET.get("login", "").strip()
    found = identities_search(ctx.actor, text)
    listed = {(member.identity_type, member.identity) for member in members_of([row.pk])[row.pk]}
    context = {
        "text": text,
        "hits": [
            (claim, claim.kind in group_kinds(), (claim.kind, claim.wire_id) in listed)
            for claim in found.claims[:MAX_HITS]
        ],
        "errors": found.errors,
    }
    return ctx.render("console/parts/member_hits.html", context)


@login_required
@post_required
def add(ctx: RequestContext, pk: int) -> HttpResponse:
    """Add the person or group picked from the search, or an account by its log-in name."""
    row, sent = find(ctx, pk), ctx.request.POST
    role = sent.get("role", "member")
    kind, _colon, name = sent.get("pick", "").partition(":")
    if name:
        message = _("%(name)s is a member now.") % {"name": sent.get(f"name:{kind}:{name}", name)[:100]}
        return _save_member_list(ctx, row, (kind, name), role, message)
    login = sent.get("login", "").strip()
    account = User.objects.filter(login__iexact=login, removed=None).first() if login else None
    # To those who may not add members the refusal must not reveal which accounts exist.
    if account is None and can(ctx.actor, "members", row.pk):
        message = _("There is no account %(name)r; pick somebody from the list below the field.") % {"name": login[:60]}
        raise Problem(message, status=422, field="login")
    identity = ("rancher_id", wire_id("a", account.pk)) if account else ("", "")
    return _save_member_list(ctx, row, identity, role, _("%(name)s is a member now.") % {"name": login})


@login_required
@post_required
def role(ctx: RequestContext, pk: int, account: int) -> HttpResponse:
    """Change the role of a member."""
    return _save_member_list(
        ctx, find(ctx, pk), _target_member(ctx, account), ctx.request.POST.get("role", ""), _("Saved.")
    )


@login_required
@post_required
def remove(ctx: RequestContext, pk: int, account: int) -> HttpResponse:
    """Remove a member."""
    return _save_member_list(ctx, find(ctx, pk), _target_member(ctx, account), None, _("Saved."))


def _target_member(ctx: RequestContext, account: int) -> MemberIdentity:
    """Kind and id of the targeted member: an account, or for 0 the identity given in the form."""
    sent = ctx.request.POST
    return ("rancher_id", wire_id("a", account)) if account else (sent.get("kind", ""), sent.get("identity", ""))


def _save_member_list(
    ctx: RequestContext, row: Environment, identity: MemberIdentity, role_name: str | None, message: str
) -> HttpResponse:
    """Give one identity this role, or (None) none."""
    seen = ctx.request.POST.get("seen")
    based_on = BasedOn(None, {"role": seen}) if seen else None
    member_change(row, identity, role_name, actor=ctx.actor, based_on=based_on)
    return ctx.success_response(message)
