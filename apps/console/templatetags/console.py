"""Tags: built assets, icons, state badges, times, buttons, sizes."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.console import buttons, states
from apps.core.defaults import VERSION
from apps.core.ids import wire_id
from apps.environments.access import Actor
from apps.environments.models import Environment

register = template.Library()

_SPANS = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"))


@functools.lru_cache(maxsize=4)
def _read(folder: Any, _second: int) -> dict[str, Any]:
    try:
        return dict(json.loads((Path(folder) / "static" / "dist" / "manifest.json").read_text()))
    except OSError:
        return {}


def _manifest() -> dict[str, Any]:
    """What the build made, read once in a while; empty when it was not run."""
    return _read(settings.BASE_DIR, int(time.monotonic() / (1 if settings.DEBUG else 60)))


def _static(name: str) -> str:
    return f"{settings.STATIC_URL}{name}"


@register.simple_tag
def asset(name: str) -> str:
    """The address of a built file by its source name, or of nothing."""
    entry = _manifest().get(f"static/src/{name}")
    return _static(f"dist/{entry['file']}") if entry else ""


@register.simple_tag
def head_assets() -> SafeString:
    """The stylesheet and script of every page; a plain stylesheet when nothing was built."""
    entry = _manifest().get("static/src/main.js")
    mark = format_html('<link rel="icon" href="{}" type="image/svg+xml">', _static("src/mark.svg"))
    if not entry:
        return format_html('{}<link rel="stylesheet" href="{}">', mark, _static("src/plain.css"))
    sheets = format_html_join(
        "", '<link rel="stylesheet" href="{}">', ((_static(f"dist/{name}"),) for name in entry.get("css", []))
    )
    script = _static(f"dist/{entry['file']}")
    return format_html('{}{}<script type="module" src="{}"></script>', mark, sheets, script)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A picture from the sprite."""
    return _drawn(asset("icons.svg"), name, extra)


@functools.lru_cache(maxsize=512)
def _drawn(sprite: str, name: str, extra: str) -> SafeString:
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>', extra, sprite, name)


def _badge(face: states.Face) -> SafeString:
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
    return _badge(states.face_of(row))


@register.simple_tag
def word(text: str) -> SafeString:
    """The badge of a state given as a word."""
    return _badge(states.Face(text, states.tone(text)))


@register.simple_tag
def dot(row: Any) -> SafeString:
    """A state as a mere dot."""
    face = states.face_of(row)
    return format_html('<i class="dot is-{}" title="{}"></i>', face.tone, f"{row.name}: {face.word}")


def _short(seconds: float) -> str:
    if seconds < 5:
        return _("just now")
    for span, unit in _SPANS:
        if seconds >= span:
            return _("%(count)d %(unit)s ago") % {"count": int(seconds // span), "unit": unit}
    return _("%(count)d s ago") % {"count": int(seconds)}


@register.filter
def ago(at: datetime | str | None) -> SafeString | str:
    """How long ago, with the exact time in the tooltip; the browser keeps it current."""
    moment = parse_datetime(at) if isinstance(at, str) and at else at
    if not isinstance(moment, datetime) or moment.year < 1971:
        return "–"
    text = _short((timezone.now() - moment).total_seconds())
    stamp = timezone.localtime(moment).isoformat(timespec="seconds")
    return format_html('<time datetime="{}" data-ago title="{}">{}</time>', stamp, stamp, text)


@register.filter
def lasted(operation: Any) -> str:
    """How long an operation took, or takes by now."""
    seconds = ((operation.ended or timezone.now()) - operation.created).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


@register.filter
def mebibytes(count: Any) -> str:
    """A size that is given in MiB."""
    return filesizeformat(int(count) * 1024 * 1024) if count else "–"


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
    return wire_id(buttons.NOUNS[row.KIND][2], row.pk)


@register.simple_tag
def api(row: Any) -> SafeString:
    """The link to the row in the API."""
    return format_html(
        '<a class="btn is-quiet" href="{}" title="{}">{}<span>{}</span></a>',
        buttons.api_address(row),
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
    return buttons.buttons(context["visit"], row, only.split())


@register.simple_tag
def page_of(row: Any, suffix: str = "") -> str:
    """The console's address of a row."""
    return buttons.address(row, suffix)


@register.simple_tag(takes_context=True)
def here(context: Mapping[str, Any], name: str, **kwargs: Any) -> str:
    """The address of a page of this environment."""
    return str(context["visit"].url(name, environment=context["environment"].pk, **kwargs))


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


@register.simple_tag
def version() -> str:
    """Corral's version."""
    return f"v{VERSION}"


@register.inclusion_tag("console/parts/sort.html", takes_context=True)
def sortable(context: Mapping[str, Any], by: str, label: str) -> Mapping[str, Any]:
    """The head of a column that sorts: up, down, and back to the bad ones first."""
    return {"request": context["request"], "page": context["page"], "by": by, "down": f"-{by}", "label": label}


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """The theme that this browser chose."""
    chosen = context["request"].COOKIES.get("corral_theme", "auto")
    return chosen if chosen in {"light", "dark"} else "auto"
