"""Template tags and filters: assets, icons, state badges, times, buttons, URLs, sizes."""

from __future__ import annotations

import functools
import json
import shlex
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.console.components import buttons, state_badges
from apps.console.components.assets import asset, head_assets, icon
from apps.console.components.edit_form import Edit
from apps.console.components.event_titles import event_title, operation_title
from apps.console.components.freshness import Freshness, freshness_of
from apps.console.components.relative_times import ago, ahead, lasted
from apps.console.components.row_requests import KINDS_WITH_REQUESTS
from apps.console.components.user_agents import agent
from apps.console.stacks import head_buttons
from apps.console.stacks.lock_pages import lock_button
from apps.core.defaults import VERSION
from apps.core.ids import wire_id
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.locks import describe_lock, lock_of
from apps.stacks.undo import UNDO_SECONDS

register = template.Library()
for tag in (asset, head_assets, icon):
    register.simple_tag(tag)
for text_filter in (agent, ago, ahead, event_title, lasted, operation_title):
    register.filter(text_filter)


def _render_badge(badge: state_badges.StateBadge) -> SafeString:
    return format_html(
        '<span class="state is-{}{}" title="{}">{}<span>{}</span></span>',
        badge.tone,
        " is-stale" if badge.is_stale else "",
        badge.note or (_("last seen before its host was disconnected") if badge.is_stale else badge.word),
        icon(badge.icon, "spin" if badge.tone == "busy" else ""),
        badge.word,
    )


@register.simple_tag
def badge_of(row: Any) -> state_badges.StateBadge:
    """The badge of a managed row, to ask it: `{% badge_of row as found %}`."""
    return state_badges.badge_of(row)


@register.filter
def middle(text: Any, tail: int = 14) -> SafeString:
    """A name that is cut in its middle where it does not fit: of forty hosts of one rack the ends differ."""
    name = str(text)
    if len(name) <= 2 * tail:
        return format_html("{}", name)
    return format_html(
        '<span class="mid" title="{}"><span>{}</span><span>{}</span></span>', name, name[:-tail], name[-tail:]
    )


@register.simple_tag
def badge(found: state_badges.StateBadge) -> SafeString:
    """A badge that was made already."""
    return _render_badge(found)


@register.simple_tag
def state(row: Any) -> SafeString:
    """The badge of a managed row."""
    return _render_badge(state_badges.badge_of(row))


@register.simple_tag
def word(text: str) -> SafeString:
    """The badge of a bare state."""
    shown = _("replaced by a newer request") if text == "superseded" else text
    return _render_badge(state_badges.StateBadge(shown, state_badges.tone(text)))


@register.simple_tag
def dot(row: Any) -> SafeString:
    """The state of a row as a coloured dot."""
    badge = state_badges.badge_of(row)
    return format_html('<i class="dot is-{}" title="{}"></i>', badge.tone, f"{row.name}: {badge.word}")


@register.simple_tag
def as_of(subject: Any) -> SafeString | str:
    """When a host, a container or a group of them (`Freshness`) was last observed; empty if never."""
    freshness = subject if isinstance(subject, Freshness) else freshness_of(subject)
    return format_html("{} {}", _("as of"), ago(freshness.at, renewed=freshness.is_live)) if freshness.at else ""


@register.simple_tag
def seen_ago(host: Host) -> SafeString | str:
    """How long ago a host was last observed, for lists."""
    freshness = freshness_of(host)
    return ago(freshness.at, renewed=freshness.is_live)


@register.filter
def mebibytes(count: Any) -> str:
    """A size given in MB, in the units of all sizes: a KB has 1024 bytes."""
    return filesizeformat(int(count) * 1024 * 1024) if count else "–"


@register.simple_tag
def copyable(text: str, label: str = "") -> SafeString:
    """A value in a monospaced font with a button that copies it."""
    if not text:
        return format_html("{}", "–")
    return format_html(
        '<span class="copyable"><code>{}</code><button type="button" class="copy" data-copy="{}" title="{}">{}</button>'
        "</span>",
        label or text,
        text,
        _("Copy"),
        icon("copy"),
    )


@register.simple_tag(takes_context=True)
def port_link(context: Mapping[str, Any], port: Mapping[str, Any], *, full: bool = False) -> SafeString:
    """The link to a published port; `full` also shows its address and protocol.

    A port of the portal's own machine is reached by the name under which the portal is visited.
    """
    address = f"[{port['ipAddress']}]" if ":" in port["ipAddress"] else port["ipAddress"]
    if port.get("isPortalHost"):
        address = urlsplit(f"//{context['ctx'].request.get_host()}").hostname or address
        address = f"[{address}]" if ":" in address else address
    endpoint, target = f"{address}:{port['port']}", f"→{port['private']}"
    return format_html(
        '<a class="chip" href="{}" target="_blank" rel="noopener" title="{}">{}<span class="faint">{}</span></a>',
        f"http://{endpoint}",
        endpoint,
        endpoint if full else port["port"],
        f"{target}/{port['protocol']}" if full else target,
    )


@register.simple_tag
def wire(row: Any) -> str:
    """The wire id of a row: its id in the API."""
    return wire_id(buttons.KIND_NAMES[row.KIND][2], row.pk)


_API_LINK = '<a class="btn is-quiet" href="{}" title="{}">{}<span>{}</span></a>'
_COPY_AS = '<a class="btn is-quiet" href="{}" data-dialog title="{}">{}<span>{}</span></a>'


@register.simple_tag
def api_link(row: Any) -> SafeString:
    """The link to the row in the API and, where people write scripts for it, its requests to be copied."""
    link = format_html(_API_LINK, buttons.api_url(row), _("View in API"), icon("code"), _("API"))
    if row.KIND not in KINDS_WITH_REQUESTS:
        return link
    url = buttons.row_url(row, "requests")
    return link + format_html(
        _COPY_AS, url, _("Copy as a request: curl, corral, Ansible"), icon("clipboard-text"), _("Copy as")
    )


_CURRENT, _MENU_ROLE = SafeString('aria-current="page"'), SafeString(' role="menuitem"')
_DISABLED = '<button type="button" class="{}"{} aria-disabled="true" title="{}" data-action="{}">{}</button>'
_DIALOG = '<a class="{}"{} href="{}" data-dialog title="{}" data-action="{}">{}</a>'
_LINK = '<a class="{}"{} href="{}" data-new>{}</a>'
_POST = (
    '<button type="submit" class="{}"{} formaction="{}" hx-post="{}" hx-swap="none" '
    'title="{}" data-action="{}"{}>{}</button>'
)


@functools.lru_cache(maxsize=512)
def _button_content(picture: SafeString, label: str, *, is_seen: bool) -> SafeString:
    return format_html("{}<span>{}</span>" if is_seen else '{}<span class="unseen">{}</span>', picture, label)


@register.simple_tag
def btn(button: buttons.Button, style: str = "") -> SafeString:
    """A button or link; grey with the reason when it is not allowed. `style`: icon, item or is-primary.

    Rendered here and not by a template because a page of a hundred rows has hundreds of them.
    """
    css_class = {"item": "item", "icon": "btn is-icon"}.get(style, f"btn {style}")
    content = _button_content(icon(button.icon), str(button.label), is_seen=style != "icon")
    role = _MENU_ROLE if style == "item" else ""
    if not button.allowed:
        return format_html(_DISABLED, css_class, role, button.hint, button.action, content)
    if button.is_dialog:
        css_class += " is-danger" if button.is_danger and style == "item" else ""
        return format_html(_DIALOG, css_class, role, button.url, button.hint, button.action, content)
    if not button.action:
        return format_html(_LINK, css_class, role, button.url, content)
    confirm = format_html(' hx-confirm="{}"', button.confirm) if button.confirm else ""
    return format_html(_POST, css_class, role, button.url, button.url, button.hint, button.action, confirm, content)


@register.simple_tag(takes_context=True)
def acts(context: Mapping[str, Any], row: Any, only: str = "") -> list[buttons.Button]:
    """The buttons of a row: `{% acts row as list %}`."""
    return buttons.action_buttons(context["ctx"], row, only.split())


@register.filter
def slot_of(container: Any) -> Any:
    """The place of a container in its service, None for a standalone one.

    The plain attribute raises when there is none, and a template then lists all names of the class: for each row.
    """
    return getattr(container, "slot", None)


@register.simple_tag
def page_of(row: Any, suffix: str = "") -> str:
    """The console URL of a row, or of one of its sub-pages."""
    return buttons.row_url(row, suffix)


@register.simple_tag(takes_context=True)
def here(context: Mapping[str, Any], name: str, **kwargs: Any) -> str:
    """The URL of a page of the environment in the frame."""
    return str(context["ctx"].url(name, environment=context["environment"].pk, **kwargs))


@register.simple_tag(takes_context=True)
def current(context: Mapping[str, Any], sections: str) -> SafeString:
    """`aria-current` if the page is in one of the sections: exactly one entry of the side bar is marked."""
    section = _section(context["request"].path, context["environment"])
    return _CURRENT if section in sections.split() else SafeString()


def _section(path: str, environment: Environment | None) -> str:
    """Which entry of the side bar a page belongs to."""
    first, *rest = path.strip("/").split("/")
    if first == "env":
        return rest[1] if len(rest) > 1 else ""
    if first == "admin" and rest:
        return f"admin/{rest[0]}"
    # An environment's own page is that of its members.
    return "members" if first == "environments" and environment and rest[:1] == [str(environment.pk)] else first


@register.filter
def words(text: str) -> list[str]:
    """The words of a text, to loop over in a template."""
    return text.split()


@register.filter
def command_line(arguments: list[str]) -> str:
    """Arguments as typed in a shell: joined by spaces alone, `sh -c "a; b"` would read as two commands."""
    return shlex.join(arguments)


@register.filter
def pretty(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def compact(value: Any) -> str:
    """JSON in one line, cut at 160 characters."""
    return json.dumps(value, ensure_ascii=False)[:160]


@register.simple_tag
def stats_source(row: Any) -> str:
    """The query of the WebSocket that feeds the charts of a row."""
    return f"{row.KIND}={row.pk}"


@register.filter
def may_operate(actor: Actor, environment: Environment) -> bool:
    """Whether the actor may change things in an environment."""
    return "operate" in actor.permissions(environment.pk)


@register.filter
def owns(actor: Actor, environment: Environment) -> bool:
    """Whether the actor owns an environment, and so sees the links to its owners' pages."""
    return "own" in actor.permissions(environment.pk)


@register.simple_tag
def server_clock() -> int:
    """The server's time in milliseconds, by which the browser corrects its own."""
    return int(time.time() * 1000)


@register.simple_tag(takes_context=True)
def lock_reason(context: Mapping[str, Any], row: Any) -> str:
    """Who locked a row, since when and why; empty when nobody did."""
    lock = lock_of(context["ctx"].actor, row)
    return describe_lock(lock) if lock is not None else ""


@register.simple_tag(takes_context=True)
def lock_badge(context: Mapping[str, Any], row: Any) -> SafeString:
    """A padlock beside the name of what is locked, with the reason; nothing else."""
    reason = lock_reason(context, row)
    if not reason:
        return SafeString()
    return format_html(
        '<span class="lock" title="{}">{}<span class="unseen">{}</span></span>', reason, icon("lock"), reason
    )


@register.simple_tag(takes_context=True)
def lock_action(context: Mapping[str, Any], row: Any) -> SafeString:
    """The button that locks or unlocks a stack or service."""
    return btn(lock_button(context["ctx"], row))


@register.simple_tag(takes_context=True)
def service_buttons(context: Mapping[str, Any], row: Any) -> list[buttons.Button]:
    """What the head of a service's page offers beside its actions: `{% service_buttons row as more %}`."""
    return head_buttons.service_buttons(context["ctx"], row)


@register.simple_tag(takes_context=True)
def stack_buttons(context: Mapping[str, Any], row: Any) -> head_buttons.StackButtons:
    """The same of a stack's page."""
    return head_buttons.stack_buttons(context["ctx"], row)


@register.simple_tag
def undo_seconds() -> int:
    """For how long a deletion can be undone."""
    return UNDO_SECONDS


@register.simple_tag
def version() -> str:
    """Corral's version."""
    return f"v{VERSION}"


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """The theme chosen in this browser."""
    request = context.get("request")  # a failing page is rendered without one
    chosen = request.COOKIES.get("corral_theme", "auto") if request else "auto"
    return chosen if chosen in {"light", "dark"} else "auto"


@register.filter
def value_of(edit: Edit, name: str) -> str:
    """What a field of an edit form shows: what was typed, else what is there now."""
    return edit.text(name)
