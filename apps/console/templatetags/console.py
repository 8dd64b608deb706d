"""Tags: built assets, icons, state badges, times, buttons, sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.console.components import buttons, state_badges
from apps.console.components.assets import asset, head_assets, icon
from apps.console.components.freshness import Freshness, freshness_of
from apps.console.components.relative_times import ago, ahead, lasted
from apps.console.components.user_agents import agent
from apps.core.defaults import VERSION
from apps.core.ids import wire_id
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host

register = template.Library()
for tag in (asset, head_assets, icon):
    register.simple_tag(tag)
for words_of in (agent, ago, ahead, lasted):
    register.filter(words_of)


def _badge(face: state_badges.StateBadge) -> SafeString:
    return format_html(
        '<span class="state is-{}{}" title="{}">{}<span>{}</span></span>',
        face.tone,
        " is-stale" if face.is_stale else "",
        face.note or (_("last seen before its host went away") if face.is_stale else face.word),
        icon(face.icon, "spin" if face.tone == "busy" else ""),
        face.word,
    )


@register.simple_tag
def state(row: Any) -> SafeString:
    """The badge of a managed row."""
    return _badge(state_badges.badge_of(row))


@register.simple_tag
def word(text: str) -> SafeString:
    """The badge of a state given as a word."""
    return _badge(state_badges.StateBadge(text, state_badges.tone(text)))


@register.simple_tag
def dot(row: Any) -> SafeString:
    """A state as a mere dot."""
    face = state_badges.badge_of(row)
    return format_html('<i class="dot is-{}" title="{}"></i>', face.tone, f"{row.name}: {face.word}")


@register.simple_tag
def as_of(what: Any) -> SafeString | str:
    """When a host, a container, or what was `Freshness` of several, was seen last; nothing if it never was."""
    known = what if isinstance(what, Freshness) else freshness_of(what)
    return format_html("{} {}", _("as of"), ago(known.at, renewed=known.is_live)) if known.at else ""


@register.simple_tag
def seen_ago(host: Host) -> SafeString | str:
    """How long ago a host was seen last, for lists."""
    known = freshness_of(host)
    return ago(known.at, renewed=known.is_live)


@register.filter
def mebibytes(count: Any) -> str:
    """A size that is given in MiB, named for the powers of two that it is counted in."""
    return filesizeformat(int(count) * 1024 * 1024).replace("B", "iB") if count else "–"


@register.simple_tag
def copyable(text: str, shown: str = "") -> SafeString:
    """A value in code type with a button that copies it."""
    if not text:
        return format_html("{}", "–")
    return format_html(
        '<span class="copyable"><code>{}</code><button type="button" class="copy" data-copy="{}" title="{}">{}</button>'
        "</span>",
        shown or text,
        text,
        _("Copy"),
        icon("copy"),
    )


@register.simple_tag
def reach(port: Mapping[str, Any], *, whole: bool = False) -> SafeString:
    """The link to a published port; `whole` writes out its address and protocol."""
    address = f"[{port['ipAddress']}]" if ":" in port["ipAddress"] else port["ipAddress"]
    place, inner = f"{address}:{port['port']}", f"→{port['private']}"
    return format_html(
        '<a class="chip" href="{}" target="_blank" rel="noopener" title="{}">{}<span class="faint">{}</span></a>',
        f"http://{place}",
        place,
        place if whole else port["port"],
        f"{inner}/{port['protocol']}" if whole else inner,
    )


@register.simple_tag
def wire(row: Any) -> str:
    """The row's id on the API."""
    return wire_id(buttons.KIND_NAMES[row.KIND][2], row.pk)


@register.simple_tag
def api(row: Any) -> SafeString:
    """The link to the row in the API."""
    return format_html(
        '<a class="btn is-quiet" href="{}" title="{}">{}<span>{}</span></a>',
        buttons.api_url(row),
        _("View in API"),
        icon("code"),
        _("API"),
    )


_GREY = '<button type="button" class="{}" aria-disabled="true" title="{}" data-action="{}">{}</button>'
_DIALOG = '<a class="{}" href="{}" data-dialog title="{}" data-action="{}">{}</a>'
_LINK = '<a class="{}" href="{}" data-new>{}</a>'
_POST = (
    '<button type="submit" class="{}" formaction="{}" hx-post="{}" hx-swap="none" '
    'title="{}" data-action="{}">{}</button>'
)


@register.simple_tag
def btn(button: buttons.Button, style: str = "") -> SafeString:
    """A button that may be grey; `style` is one of icon, item, is-primary.

    Written here and not in a template because a page of a hundred rows has hundreds of them.
    """
    look = {"item": "item", "icon": "btn is-icon"}.get(style, f"btn {style}")
    label = format_html('<span class="unseen">{}</span>' if style == "icon" else "<span>{}</span>", button.label)
    face = icon(button.icon) + label
    if not button.allowed:
        return format_html(_GREY, look, button.hint, button.action, face)
    if button.is_dialog:
        look += " is-danger" if button.is_danger and style == "item" else ""
        return format_html(_DIALOG, look, button.url, button.hint, button.action, face)
    if not button.action:
        return format_html(_LINK, look, button.url, face)
    return format_html(_POST, look, button.url, button.url, button.hint, button.action, face)


@register.simple_tag(takes_context=True)
def acts(context: Mapping[str, Any], row: Any, only: str = "") -> list[buttons.Button]:
    """The buttons of a row: `{% acts row as list %}`."""
    return buttons.action_buttons(context["ctx"], row, only.split())


@register.simple_tag
def page_of(row: Any, suffix: str = "") -> str:
    """The console's address of a row."""
    return buttons.row_url(row, suffix)


@register.simple_tag(takes_context=True)
def here(context: Mapping[str, Any], name: str, **kwargs: Any) -> str:
    """The address of a page of this environment."""
    return str(context["ctx"].url(name, environment=context["environment"].pk, **kwargs))


@register.filter
def words(text: str) -> list[str]:
    """The words of a text, to loop over."""
    return text.split()


@register.filter
def pretty(value: Any) -> str:
    """JSON to read."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def compact(value: Any) -> str:
    """JSON in one short line."""
    return json.dumps(value, ensure_ascii=False)[:160]


@register.simple_tag
def source(row: Any) -> str:
    """Which statistics a page's charts show."""
    return f"{row.KIND}={row.pk}"


@register.filter
def may(actor: Actor, environment: Environment) -> bool:
    """Whether the actor may change things in an environment."""
    return "operate" in actor.permissions(environment.pk)


@register.filter
def owns(actor: Actor, environment: Environment) -> bool:
    """Whether the actor is an owner of an environment, whose pages for owners are worth a link then."""
    return "own" in actor.permissions(environment.pk)


@register.simple_tag
def version() -> str:
    """Corral's version."""
    return f"v{VERSION}"


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """The theme that this browser chose."""
    chosen = context["request"].COOKIES.get("corral_theme", "auto")
    return chosen if chosen in {"light", "dark"} else "auto"
