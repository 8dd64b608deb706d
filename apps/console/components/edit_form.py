"""Edits in forms: only what was changed is saved, and who was overtaken chooses between both values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.request_context import RequestContext
from apps.control.models import Operation
from apps.control.selectors import last_change_of
from apps.core.edits import BasedOn, StaleEdit
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.core.models import Managed
from apps.environments.access import verdict

MAX_BASIS = 200_000
KEEP_THEIRS, USE_MINE = "theirs", "mine"
FIELD_LABELS: dict[str, str | Promise] = {
    "name": gettext_lazy("Name"),
    "label": gettext_lazy("Title"),
    "description": gettext_lazy("Description"),
    "scale": gettext_lazy("Scale"),
    "lost_after": gettext_lazy("When a host is lost"),
    "address": gettext_lazy("Address for links to ports"),
    "addresses": gettext_lazy("Usable from"),
    "labels": gettext_lazy("Labels"),
    "memory_limit": gettext_lazy("Memory that may be reserved"),
    "milli_cpu_limit": gettext_lazy("CPUs that may be reserved"),
    "kind": gettext_lazy("Kind"),
    "role": gettext_lazy("Role"),
    "permissions": gettext_lazy("Permissions"),
    "value": gettext_lazy("Value"),
    "selector_link": gettext_lazy("Links to services with"),
    "selector_container": gettext_lazy("Takes in containers with"),
    "metadata": gettext_lazy("Metadata"),
    "address_settings": gettext_lazy("Address"),
}


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that somebody else changed while the form was open."""

    name: str
    label: str | Promise
    theirs: str
    mine: str


@dataclass
class Edit:
    """One form about something that exists: `current` holds its fields as they are now, ready for JSON.

    The form carries what it started from in a hidden field, so that the answer of an old form is recognised. A form
    without that field (a program's) changes what differs from now.
    """

    ctx: RequestContext
    current: Mapping[str, Any]
    row: Managed | None = None
    labels: Mapping[str, str | Promise] = field(default_factory=dict)
    saves_unchanged: bool = False  # for what is only decided by saving it, such as to keep a default
    conflicts: list[FieldConflict] = field(default_factory=list)
    overtaken_by: Operation | None = None

    def __post_init__(self) -> None:
        self.based_on = self._read_basis()
        self.changed: set[str] | None = None  # unknown until the form was parsed

    def _read_basis(self) -> BasedOn | None:
        text = self.ctx.request.POST.get("based_on", "")
        try:
            found = json.loads(text[:MAX_BASIS]) if text else None
        except (ValueError, RecursionError):
            return None
        if not (isinstance(found, dict) and isinstance(found.get("values"), dict)):
            return None
        generation = found.get("generation")
        if self.row is not None and not isinstance(generation, int):
            return None
        return BasedOn(generation, found["values"])

    @property
    def basis(self) -> str:
        """The hidden field: what the form that is shown now starts from."""
        generation, values = self.row.generation if self.row else None, dict(self.current)
        if self.based_on is not None and not self.conflicts:  # refused for another reason: nobody saw anything newer
            generation = self.based_on.generation
            values |= {name: value for name, value in self.based_on.values.items() if self.is_typed(name)}
        return json.dumps({"generation": generation, "values": values}, default=str)

    def changes(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What of `wanted` the visitor changed, without the fields where somebody else's value was chosen."""
        seen = {**self.current, **(self.based_on.values if self.based_on else {})}
        sent = self.ctx.request.POST
        kept = {name for name in wanted if sent.get(f"choice-{name}") == KEEP_THEIRS}
        found = {
            name: value
            for name, value in wanted.items()
            if name not in kept and not (name in seen and seen[name] == value)
        }
        self.changed = set(found)
        if self.row is not None:
            self.row.based_on = self.based_on
        return found

    def is_typed(self, name: str) -> bool:
        """Whether the form shows what was typed into this field; else it shows what is there now."""
        return self.ctx.request.method == "POST" and (self.changed is None or name in self.changed)

    def text(self, name: str) -> str:
        """What a text field shows."""
        typed = self.ctx.request.POST.get(name) if self.is_typed(name) else None
        return str(self.current.get(name, "")) if typed is None else typed

    def show_conflict(self, stale: StaleEdit) -> None:
        """Have the form show both values of each field, and start from what is there now."""
        self.conflicts = [
            FieldConflict(
                each.field,
                self.labels.get(each.field) or FIELD_LABELS.get(each.field, each.field),
                describe_value(each.field, each.current),
                describe_value(each.field, each.wanted),
            )
            for each in stale.differences
        ]
        if self.row is not None:
            self.overtaken_by = last_change_of(self.row)


def describe_value(name: str, value: Any) -> str:
    """A value in the words of the forms."""
    if name == "lost_after":
        return _("wait for it") if value is None else _("start elsewhere after %(count)d s") % {"count": value}
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items())) or _("none")
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or _("none")
    if isinstance(value, bool):
        return _("on") if value else _("off")
    return str(value) if value not in {None, ""} else _("empty")


def handle_edit(
    edit: Edit,
    *,
    parse: Callable[[], Mapping[str, Any]],
    save: Callable[..., Any],
    template: str = "console/edit.html",
    context: Callable[[], Mapping[str, Any]] = dict,
) -> HttpResponse:
    """Show the form, or save what was changed; a refusal is shown at its field, a conflict with both values.

    `parse` gives what the form holds by the names of the service's arguments, `save` is the service.
    """
    ctx, errors, status = edit.ctx, {}, 200
    reason = _refusal(ctx, edit.row)
    if ctx.request.method == "POST":
        if reason:
            raise Forbidden(reason)
        try:
            return _save(edit, parse, save)
        except StaleEdit as stale:
            edit.show_conflict(stale)
            status = stale.status
        except (Invalid, Conflict) as problem:
            errors, status = {problem.field or "name": problem.message}, 422
    values = {"row": edit.row, "edit": edit, "errors": errors, "disabled_reason": reason, **context()}
    return ctx.render(template, values, status=status)


def _refusal(ctx: RequestContext, row: Managed | None) -> str:
    """Why the visitor's role may not save it; empty if it may."""
    decision = verdict(ctx.actor, "update", row) if row is not None else None
    return decision.reason if decision is not None and decision.is_forbidden else ""


def _save(edit: Edit, parse: Callable[[], Mapping[str, Any]], save: Callable[..., Any]) -> HttpResponse:
    changes = edit.changes(parse())
    if not changes and not edit.saves_unchanged:
        return edit.ctx.success_response(_("Nothing was changed."), changed=False)
    save(**changes)
    return edit.ctx.success_response(_("Saved."))
