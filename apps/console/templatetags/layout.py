"""Block tags for the frames that pages share; the markup of each stands in one template of `console/layout/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.template.context import Context
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.state_badges import shown_state
from apps.console.templatetags.console import btn
from apps.core.models import Managed

register = template.Library()

Choice = str | tuple[Any, Any]


def _render(context: Context, layout: str, **values: Any) -> SafeString:
    """Render a layout with nothing of the page's own variables in reach, as `include ... only` does."""
    assert context.template is not None  # noqa: S101 - tags are only rendered inside a template
    found = context.template.engine.get_template(f"console/layout/{layout}.html")
    # `csrf_token` and `request` are what forms and `querystring` need.
    values |= {"request": context.get("request"), "csrf_token": context.get("csrf_token")}
    return found.render(context.new(values))


@register.simple_block_tag(takes_context=True)
def page_head(
    context: Context, content: str, title: Any, note: Any = "", *, badge: str = "", heading_class: str = ""
) -> SafeString:
    """The title of a page with a note below it; the content is what can be done there."""
    values = {"title": title, "note": note, "badge": badge, "heading_class": heading_class}
    return _render(context, "page_head", content=content, **values)


@register.simple_block_tag(takes_context=True)
def row_head(context: Context, content: str, row: Any, title: Any = "", *, heading_class: str = "") -> SafeString:
    """The head of a row's page: name, state, message; the content is its form of actions."""
    values = {"row": row, "title": title or row.name, "heading_class": heading_class}
    return _render(context, "row_head", content=content, **values)


@register.simple_block_tag(takes_context=True)
def dialog(
    context: Context, content: str, title: Any, note: Any = "", *, heading_class: str = "", css_class: str = ""
) -> SafeString:
    """A page that asks or shows one thing: a dialog when it is opened from another page, else a narrow page."""
    values = {"title": title, "note": note, "heading_class": heading_class, "css_class": css_class}
    return _render(context, "dialog", content=content, **values)


@register.simple_block_tag(takes_context=True)
def dialog_form(
    context: Context,
    content: str,
    submit: Any,
    *,
    tone: str = "is-primary",
    swap: str = "innerMorph",
    cancel: Any = "",
    cancel_url: str = "",
    autofocus: bool = False,
    disabled_reason: str = "",
) -> SafeString:
    """The form of a dialog with its two buttons.

    A refusal is shown in the dialog again; with `swap="none"` it is a toast only.
    """
    values = dialog_buttons(submit, tone, cancel, cancel_url, autofocus=autofocus, disabled_reason=disabled_reason)
    return _render(context, "dialog_form", content=content, swap=swap, **values)


@register.inclusion_tag("console/layout/dialog_buttons.html")
def dialog_buttons(
    submit: Any,
    tone: str = "is-primary",
    cancel: Any = "",
    cancel_url: str = "",
    *,
    autofocus: bool = False,
    disabled_reason: str = "",
) -> Mapping[str, Any]:
    """Cancel, and the button that does it; a reason makes the latter grey.

    `autofocus` is for Cancel, which has it in every dialog that deletes: an Enter too many must do nothing.
    """
    return {
        "submit": submit,
        "tone": tone,
        "cancel": cancel or _("Cancel"),
        "cancel_url": cancel_url,
        "autofocus": autofocus or tone == "is-danger",
        "disabled_reason": disabled_reason,
    }


@register.simple_block_tag(takes_context=True)
def filter_form(context: Context, content: str, placeholder: Any) -> SafeString:
    """The filters of a list: a text, and whatever fields the content adds. They apply as they are changed."""
    return _render(context, "filter_form", content=content, placeholder=placeholder, page=context["page"])


@register.simple_tag(takes_context=True)
def filter_select(context: Context, name: str, label: Any, everything: Any, choices: Iterable[Choice]) -> SafeString:
    """A filter with choices (values, or pairs of value and text); `everything` is the text of no choice."""
    pairs = [choice if isinstance(choice, tuple) else (choice, choice) for choice in choices]
    chosen = context["page"].filters.get(name, "")
    options = [(value, text, str(value) == chosen) for value, text in pairs]
    return _render(context, "filter_select", name=name, label=label, everything=everything, options=options)


@register.simple_tag(takes_context=True)
def filter_combo(context: Context, name: str, label: Any, everything: Any, choices: Iterable[str]) -> SafeString:
    """A filter with too many choices for a list: a part of a name does, and names are offered while it is typed."""
    value = context["page"].filters.get(name, "")
    return _render(
        context, "filter_combo", name=name, label=label, everything=everything, choices=list(choices), value=value
    )


@register.simple_tag(takes_context=True)
def state_facets(
    context: Context, states: Iterable[tuple[str, int | None]], label: Any = "", kind: str = ""
) -> SafeString:
    """The states to narrow a list to, in the words of its badges, with how many rows each has where that is known."""
    shown = [(state, shown_state(state, kind), count) for state, count in states]
    return _render(context, "state_facets", states=shown, label=label, page=context["page"])


@register.simple_block_tag(takes_context=True)
def empty_state(context: Context, content: str, picture: str, title: Any) -> SafeString:
    """What stands in the place of things that are not there: an icon, a title, and what to do about it."""
    return _render(context, "empty_state", content=content, picture=picture, title=title)


@register.simple_tag(takes_context=True)
def no_match(context: Context, picture: str, title: Any, note: Any = "") -> SafeString:
    """The empty state of a list whose filters leave nothing, with the way back to all of it."""
    return _render(context, "no_match", picture=picture, title=title, note=note)


@register.inclusion_tag("console/layout/sortable.html", takes_context=True)
def sortable(context: Context, by: str, label: Any, css_class: str = "") -> Mapping[str, Any]:
    """The head of a column that sorts: up, down, and back to the bad ones first."""
    return {
        "request": context["request"],
        "page": context["page"],
        "by": by,
        "down": f"-{by}",
        "label": label,
        "css_class": css_class,
    }


@register.simple_tag(takes_context=True)
def action_buttons(context: Context, row: Managed, style: str = "", actions: str = "") -> SafeString:
    """The buttons of a row, all or only those named; `style` as of `btn`. On a phone the others are in a menu."""
    found = buttons.action_buttons(context["ctx"], row, actions.split())
    keys = buttons.key_actions(row.KIND, found) if not style else ()
    return format_html_join("\n", "{}", ((btn(each, "is-key" if each.action in keys else style),) for each in found))


@register.simple_block_tag(takes_context=True)
def fact(
    context: Context, content: str, label: Any, *, note: Any = "", is_broad: bool = False, value_class: str = ""
) -> SafeString:
    """One row of a definition list."""
    values = {"label": label, "note": note, "is_broad": is_broad, "value_class": value_class}
    return _render(context, "fact", content=content, **values)
