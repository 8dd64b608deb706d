"""Adding a host with an agent: the command to run there, and the hosts that registered lately."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.console.components.listing import query_filters
from apps.console.containers.launch_form import parse_key_values
from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.defaults import setting
from apps.core.errors import Invalid, NotFound
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import network_scope, portal_base_url, registration_command
from apps.hosts.services import token_act, token_ensure, token_rotate

RECENTLY_REGISTERED = timedelta(minutes=20)


def _current_token(ctx: RequestContext) -> RegistrationToken | None:
    """The registration token of the environment: an active one, else a deactivated one."""
    rows = RegistrationToken.objects.within([ctx.env.pk]).filter(removed=None).exclude(desired="removed")
    found: RegistrationToken | None = rows.order_by("desired", "pk").first()  # active sorts before inactive
    return found


@member_required
def add(ctx: RequestContext) -> HttpResponse:
    """The command that registers a machine as a host; the page shows the host once it has registered."""
    ctx.require_permission("hosts")
    token_ensure(actor=ctx.actor, environment=ctx.env)
    filters, errors = query_filters(ctx.request, "address", "labels"), {}
    token = _current_token(ctx)
    base = portal_base_url(ctx.request.build_absolute_uri("/"))
    try:
        labels = parse_key_values("labels", filters["labels"])
    except Invalid as problem:
        labels, errors = {}, {"labels": problem.message}
    commands = {}
    if token is not None and token.desired == "active":
        commands = registration_command(token, f"{base}/v1", labels=labels, address=filters["address"])
    since = timezone.now() - RECENTLY_REGISTERED
    new_hosts = Host.objects.within([ctx.env.pk]).filter(removed=None, credentials__created__gt=since).defer("tls")
    context = {
        "token": token,
        "commands": commands,
        "base": base,
        "near": network_scope(base),
        "values": filters,
        "errors": errors,
        **_image_commands(),
        "new_hosts": new_hosts.distinct().order_by("-pk")[:20],
    }
    response = ctx.render("console/host_add.html", context)
    response["Cache-Control"] = "no-store"  # the commands contain the token
    return response


def _image_commands() -> dict[str, str]:
    """Where the agent's image comes from, and how it gets to a machine without a registry."""
    image = setting("bootstrap.required.image")
    return {
        "agent_image": image,
        "send_image": f"docker save {image} | ssh root@MACHINE docker load",
        "save_image": f"docker save -o corral-agent.tar {image}",
    }


@member_required
@post_required
def token_action(ctx: RequestContext, action: str) -> HttpResponse:
    """Rotate, deactivate or activate the registration token of the environment."""
    ctx.require_permission("hosts")
    row = _current_token(ctx)
    if row is None or action not in {"rotate", "activate", "deactivate"}:
        raise NotFound(_("Not found, or already deleted."))
    if action == "rotate":
        token_rotate(row, actor=ctx.actor)
        return ctx.success_response(_("Previously copied commands are no longer valid."))
    token_act(row, action, actor=ctx.actor)
    messages = {"activate": _("Hosts can register again."), "deactivate": _("Registration is disabled.")}
    return ctx.success_response(messages[action])
