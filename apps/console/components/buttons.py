"""Buttons derived from the life cycles: which actions a row offers now, and why others are not possible."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.console.request_context import RequestContext
from apps.core.errors import NotFound
from apps.core.ids import wire_id
from apps.core.models import Managed
from apps.environments.access import Verdict, environment_of, verdict
from apps.stacks.models import GIVE_BACK, Service, Stack
from apps.stacks.undo import is_undoable

Text = str | Promise

KIND_NAMES = {
    "container": ("container", "containers", "i"),
    "service": ("service", "services", "s"),
    "stack": ("stack", "environments", "e"),
    "host": ("host", "hosts", "h"),
    "environment": ("environment", "projects", "a"),
    "apiKey": ("key", "apiKeys", "c"),
    "certificate": ("certificate", "certificates", "c"),
    "registry": ("registry", "registries", "sp"),
    "sharedRegistry": ("shared-registry", "sharedRegistries", "shreg"),
    "volume": ("volume", "volumes", "v"),
    "catalog": ("site-catalog", "catalogs", "cat"),
    "account": ("account", "accounts", "a"),
    "promotion": ("promotion", "promotions", "prm"),
    "trustRule": ("trust-rule", "trustRules", "tr"),
    "deployWebhook": ("deploy-webhook", "deployWebhooks", "dw"),
}
# Of kinds whose rows may belong to an environment or to none: the pages of those that do.
_NAMES_INSIDE = {"key": "environment-key", "site-catalog": "catalog-source"}

_START, _STOP = (_("Start"), "player-play"), (_("Stop"), "player-stop")
_EDIT, _DELETE = (_("Edit"), "pencil"), (_("Delete"), "trash")
# A square means Stop, and only that: deactivating keeps what runs.
_ON, _OFF = (_("Activate"), "power"), (_("Deactivate"), "circle-off")

_UPGRADE_STEPS: dict[str, tuple[Text, str]] = {
    "finishupgrade": (_("Finish upgrade"), "circle-check"),
    "rollback": (_("Roll back"), "arrow-back-up"),
    "cancelupgrade": (_("Cancel upgrade"), "x"),
    "cancelrollback": (_("Cancel rollback"), "x"),
}
ACTION_LABELS: dict[str, dict[str, tuple[Text, str]]] = {
    "container": {
        "start": _START,
        "stop": _STOP,
        "restart": (_("Restart"), "refresh"),
        "unpause": (_("Unpause"), "player-play"),
        "update": _EDIT,
        "remove": _DELETE,
    },
    "service": {
        "activate": _START,
        "deactivate": _STOP,
        "restart": (_("Restart"), "refresh"),
        "runnow": (_("Run now"), "player-play"),
        **_UPGRADE_STEPS,
        "update": _EDIT,
        "remove": _DELETE,
    },
    "stack": {**_UPGRADE_STEPS, "update": _EDIT, GIVE_BACK: (_("Give back"), "logout"), "remove": _DELETE},
    "host": {
        "activate": _ON,
        "deactivate": _OFF,
        "evacuate": (_("Evacuate"), "route"),
        "update": _EDIT,
        "remove": _DELETE,
    },
    "environment": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "apiKey": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "trustRule": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "certificate": {"update": (_("Renew or edit"), "refresh"), "remove": _DELETE},
    "registry": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "deployWebhook": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "volume": {"remove": _DELETE},
    "sharedRegistry": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
    "catalog": {
        "refresh": (_("Refresh now"), "refresh"),
        "activate": _ON,
        "deactivate": _OFF,
        "update": _EDIT,
        "remove": _DELETE,
    },
    "promotion": {
        "approve": (_("Approve"), "check"),
        "refuse": (_("Refuse"), "x"),
        "undo": (_("Undo"), "arrow-back-up"),
    },
    "account": {"activate": _ON, "deactivate": _OFF, "update": _EDIT, "remove": _DELETE},
}
# What can be decided about an upgrade is offered only while there is one: grey, it would be noise the rest of the time.
UPGRADE_STEPS = frozenset(_UPGRADE_STEPS)
_ONLY_WHERE_POSSIBLE = UPGRADE_STEPS | {GIVE_BACK}
_FOR_GOOD = _(
    "What is kept for a rollback is removed; after that, earlier revisions come back from the list of revisions only."
)
_END_OF_UPGRADE = _(
    "The upgrade of %(name)s was canceled half-way. Finishing it replaces the old containers that still run, too: all "
    "will be of %(image)s."
)
_END_OF_ROLLBACK = _(
    "The rollback of %(name)s was canceled half-way. Finishing takes it to its end: all containers will be of "
    "%(image)s again."
)
_END_OF_STACK = _(
    "The upgrade of %(name)s was canceled half-way, with old and new containers side by side. Finishing takes each "
    "service to the end of what was canceled: the upgrade or, where that was canceled, the rollback."
)
# What finishing ends with, where old and new containers run side by side: by kind and state.
_FINISHING: dict[tuple[str, str], Text] = {
    ("service", "canceled-upgrade"): _END_OF_UPGRADE,
    ("service", "canceled-rollback"): _END_OF_ROLLBACK,
    ("stack", "canceled-upgrade"): _END_OF_STACK,
}
# What stays in sight on a phone: what somebody has to decide, else start or stop and one action more.
_TO_DECIDE = ("undo", *_UPGRADE_STEPS)
_TOGGLES = ("start", "unpause", "activate", "stop", "deactivate")
_SECOND = {"container": "restart", "host": "evacuate"}
_MOST_KEYS = 2
_PK_PLACEHOLDER = 987654321987654321  # replaced by the primary key of a row
# These open a dialog first: of every kind, and of one.
_DIALOG_PAGES = {"update": "edit", "remove": "remove", "evacuate": "evacuate"}
_OWN_DIALOG_PAGES = {("service", "restart"): "restart", ("stack", GIVE_BACK): "giveback"}


@dataclass(frozen=True, slots=True)
class Button:
    """One action; when it is not allowed it stays visible, grey, with the reason. `confirm` is asked before it."""

    action: str
    label: Text
    icon: str
    url: str
    allowed: bool = True
    reason: str = ""
    is_dialog: bool = False
    confirm: str = ""

    @property
    def is_danger(self) -> bool:
        """Whether it deletes something."""
        return self.action == "remove"

    @property
    def hint(self) -> str:
        """The tooltip."""
        return str(self.label) if self.allowed else f"{self.label}: {self.reason}"


def row_url(row: Managed, suffix: str, **kwargs: Any) -> str:
    """The console URL of a row's page (`suffix` empty) or of one of its sub-pages."""
    name = KIND_NAMES[row.KIND][0]
    environment = environment_of(row) if row.KIND != "environment" else None
    if environment is not None:
        kwargs["environment"] = environment
        name = _NAMES_INSIDE.get(name, name)
    url_template = _url_template(f"console:{name}-{suffix}" if suffix else f"console:{name}", *kwargs.items())
    return url_template.replace(str(_PK_PLACEHOLDER), str(row.pk))


@functools.lru_cache(maxsize=512)
def _url_template(name: str, *kwargs: tuple[str, Any]) -> str:
    """A URL with a placeholder for the primary key: a page of a hundred rows needs a thousand URLs."""
    return reverse(name, kwargs={"pk": _PK_PLACEHOLDER, **dict(kwargs)})


def action_button(ctx: RequestContext, row: Managed, action: str) -> Button:
    """One action of a row, as a button."""
    label, icon = ACTION_LABELS[row.KIND][action]
    decision = verdict(ctx.actor, action, row)
    page = _DIALOG_PAGES.get(action) or _OWN_DIALOG_PAGES.get((row.KIND, action))
    url = row_url(row, page) if page else row_url(row, "do", action=action)
    allowed, reason = decision.allowed, decision.reason
    return Button(action, label, icon, url, allowed, reason, is_dialog=page is not None, confirm=_question(row, action))


def _question(row: Managed, action: str) -> str:
    """What is asked before the action; empty for most, which are done at once."""
    text = _FINISHING.get((row.KIND, row.display_state)) if action == "finishupgrade" else None
    if text is None:
        return ""
    return f"{text % {'name': row.name, 'image': getattr(row, 'image', '')}} {_FOR_GOOD}"


def action_buttons(ctx: RequestContext, row: Managed, only: Iterable[str] = ()) -> list[Button]:
    """The actions of a row in the order of its kind; of start and stop (activate and deactivate) only one is shown."""
    found = [action_button(ctx, row, action) for action in ACTION_LABELS[row.KIND] if not only or action in only]
    found = [each for each in found if each.allowed or each.action not in _ONLY_WHERE_POSSIBLE]
    if row.KIND == "service":
        # A service either runs all the time and is restarted, or runs at times.
        unfit = "restart" if getattr(row, "schedule", None) else "runnow"
        found = [each for each in found if each.action != unfit]
    if isinstance(row, (Service, Stack)) and is_undoable(row) and not only:
        # Beside the message that offers it, which is gone as soon as somebody goes to another page.
        may = ctx.can("delete" if row.removal_requested else "operate")
        found.insert(0, custom_button(_("Undo"), "arrow-back-up", row_url(row, "undo"), may, action="undo"))
    if row.display_state != "paused":
        found = [each for each in found if each.action != "unpause"]
    toggles = [each for each in found if each.action in {"start", "stop", "activate", "deactivate"}]
    if len(toggles) < 2:
        return found
    # When neither is allowed, the one that would come next is shown, grey.
    at_rest = row.display_state in {"stopped", "inactive", "error", "registering"} and row.desired not in {
        "running",
        "active",
    }
    allowed = [each for each in toggles if each.allowed]
    if len(allowed) > 1:  # of a service that restarts: what is desired already is not worth a button
        allowed = [each for each in allowed if row.LIFECYCLE.transitions[each.action].desired != row.desired]
    shown = next(iter(allowed), toggles[0 if at_rest else 1])
    return [each for each in found if each not in toggles or each is shown]


def key_actions(kind: str, found: Iterable[Button]) -> tuple[str, ...]:
    """The actions of a row, two at most, whose buttons a phone shows beside the menu that has all others."""
    allowed = {each.action for each in found if each.allowed}
    to_decide = [action for action in _TO_DECIDE if action in allowed]
    toggles = [action for action in _TOGGLES if action in allowed][:1]
    others = [*toggles, *([_SECOND[kind]] if _SECOND.get(kind) in allowed else [])]
    return tuple(to_decide or others)[:_MOST_KEYS]


def custom_button(
    label: Text, icon: str, url: str, allowed: Verdict, *, action: str = "", is_dialog: bool = False
) -> Button:
    """A button that is not an action of a life cycle, such as "Add service"."""
    return Button(action, label, icon, url, allowed.allowed, allowed.reason, is_dialog)


def require_known_action(row: Managed, action: str) -> str:
    """`action` if the console offers it for this kind, else `NotFound`."""
    if action not in ACTION_LABELS[row.KIND]:
        raise NotFound(f"There is no action {action[:40]!r}.")
    return action


def api_url(row: Managed) -> str:
    """The URL of the row in the API."""
    _name, plural, letters = KIND_NAMES[row.KIND]
    key = wire_id(letters, row.pk)
    environment = environment_of(row)
    if environment is None or row.KIND in {"environment", "account"}:
        return f"/v1/{plural}/{key}"
    return f"/v1/projects/{wire_id('a', environment)}/{plural}/{key}"
