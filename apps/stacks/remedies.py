"""What to do first when a service or stack refuses an action in the state that it is in."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core.lifecycle import ANY_ACTION, WAIT, Remedy
from apps.core.texts import gettext_noop as _

_STARTED_ALREADY = Remedy(_("There is nothing to do: it is started already."))
_STARTING_ALREADY = Remedy(_("There is nothing to do: it is starting already."))
_START_FIRST = Remedy(_("Start it first."), first="activate")
_AWAIT_START = Remedy(_("Wait until it has started."))
_FINISH = Remedy(_("Finish the upgrade first."), first="finishupgrade")
_FINISH_OR_ROLL_BACK = Remedy(_("Finish the upgrade or roll it back first."), first="finishupgrade")
_CANCEL_UPGRADE = Remedy(_("Cancel the upgrade first, or wait until it is done."), first="cancelupgrade")
_CANCEL_ROLLBACK = Remedy(_("Cancel the rollback first, or wait until it is done."), first="cancelrollback")
_RESTORE_FIRST = Remedy(_("Restore it first."), first="restore")
_AWAIT_REMOVAL = Remedy(
    _("Undo its deletion while that is possible. Otherwise wait until it is removed, then restore it.")
)
_CREATE_AGAIN = Remedy(_("Create it again: it can no longer be restored."))
_START_AGAIN = Remedy(_("Start it again first; its activity says what failed."), first="activate")
_DELETE_BROKEN = Remedy(_("Its activity says what failed. Delete it and create it again."), first="remove")
_NOT_REMOVED = Remedy(_("There is nothing to restore: it is not removed."))
_DELETE_FIRST = Remedy(_("Delete it first."), first="remove")
_NO_UPGRADE = Remedy(_("There is no upgrade under way. An earlier revision comes back from the list of revisions."))
_NO_UPGRADE_TO_CANCEL = Remedy(_("There is no upgrade under way, so nothing has to be canceled."))
_NO_UPGRADE_TO_FINISH = Remedy(_("There is no upgrade under way, so nothing has to be finished."))
_NO_ROLLBACK = Remedy(_("There is no rollback under way, so nothing has to be canceled."))
_OUTSIDE = (
    "requested registering inactive activating active deactivating updating-active updating-inactive restarting error"
)
_UPGRADE = "upgrading upgraded canceling-upgrade canceled-upgrade"
_ROLLBACK = "rolling-back canceling-rollback canceled-rollback finishing-upgrade"
_EVERYWHERE = f"{_OUTSIDE} {_UPGRADE} {_ROLLBACK} removing removed restoring purging purged"

# What leads out of a state, whatever is wanted. What is there for one action alone stands below.
_OUT_OF = {
    "requested registering": WAIT,
    "activating updating-active updating-inactive deactivating restarting": WAIT,
    "inactive": _START_FIRST,
    "active": Remedy(_("There is nothing to do: it is active.")),
    "error": _START_AGAIN,
    "upgrading": _CANCEL_UPGRADE,
    "upgraded": _FINISH_OR_ROLL_BACK,
    "canceling-upgrade": Remedy(_("Wait until the upgrade is canceled, then finish it or roll it back.")),
    "canceled-upgrade": _FINISH_OR_ROLL_BACK,
    "rolling-back": _CANCEL_ROLLBACK,
    "canceling-rollback": Remedy(_("Wait until the rollback is canceled, then finish the upgrade.")),
    "canceled-rollback": _FINISH,
    "finishing-upgrade": Remedy(_("Wait until the upgrade is finished.")),
    "removing": _AWAIT_REMOVAL,
    "removed": _RESTORE_FIRST,
    "restoring": Remedy(_("Wait until it is restored.")),
    "purging purged": _CREATE_AGAIN,
}
_OF_ACTIONS = {
    "activate": {
        f"active updating-active {_UPGRADE} {_ROLLBACK}": _STARTED_ALREADY,
        "activating": _STARTING_ALREADY,
        "deactivating": Remedy(_("Wait until it has stopped, then start it.")),
    },
    "deactivate": {
        "inactive": Remedy(_("There is nothing to do: it is stopped already.")),
        "deactivating": Remedy(_("There is nothing to do: it is stopping already.")),
    },
    "restart": {"restarting": Remedy(_("There is nothing to do: it is restarting already."))},
    "runnow": {"activating": _AWAIT_START},
    "rollback": {
        _OUTSIDE: _NO_UPGRADE,
        "upgrading": Remedy(_("Cancel the upgrade first, then roll back."), first="cancelupgrade"),
        "canceling-upgrade": Remedy(_("Wait until the upgrade is canceled, then roll back.")),
        "rolling-back": Remedy(_("There is nothing to do: it is rolling back already.")),
        "canceled-rollback": Remedy(
            _("Finish the upgrade first. An earlier revision comes back from the list of revisions."),
            first="finishupgrade",
        ),
        "finishing-upgrade": Remedy(
            _("Wait until the upgrade is finished. An earlier revision comes back from the list of revisions.")
        ),
    },
    "cancelupgrade": {
        _OUTSIDE: _NO_UPGRADE_TO_CANCEL,
        "upgraded": Remedy(_("The upgrade is done: finish it, or roll it back."), first="finishupgrade"),
        "canceling-upgrade": Remedy(_("There is nothing to do: the upgrade is being canceled already.")),
        "canceled-upgrade": Remedy(
            _("It is canceled already: finish the upgrade, or roll it back."), first="finishupgrade"
        ),
    },
    "cancelrollback": {
        _OUTSIDE: _NO_ROLLBACK,
        "upgrading upgraded canceling-upgrade canceled-upgrade finishing-upgrade": _NO_ROLLBACK,
        "canceling-rollback": Remedy(_("There is nothing to do: the rollback is being canceled already.")),
        "canceled-rollback": Remedy(_("It is canceled already: finish the upgrade."), first="finishupgrade"),
    },
    "finishupgrade": {
        _OUTSIDE: _NO_UPGRADE_TO_FINISH,
        "upgrading": Remedy(_("Wait until the upgrade is done, or cancel it first."), first="cancelupgrade"),
        "finishing-upgrade": Remedy(_("There is nothing to do: the upgrade is being finished already.")),
        "rolling-back": Remedy(
            _("Wait until it is rolled back, or cancel the rollback first."), first="cancelrollback"
        ),
    },
    "remove giveback": {
        "removing": Remedy(_("There is nothing to do: it is being removed already.")),
        "removed": Remedy(_("There is nothing to do: it is removed already.")),
        "restoring": Remedy(_("Wait until it is restored.")),
    },
    "restore": {
        f"{_OUTSIDE} {_UPGRADE} {_ROLLBACK}": _NOT_REMOVED,
        "restoring": Remedy(_("There is nothing to do: it is being restored already.")),
    },
    "undo": {_EVERYWHERE: Remedy(_("There is nothing to undo: nothing was deleted or made smaller just now."))},
    "continueupgrade": {_EVERYWHERE: Remedy(_("There is no upgrade that waits for a verdict."))},
    "purge": {
        f"{_OUTSIDE} {_UPGRADE} {_ROLLBACK}": _DELETE_FIRST,
        "removing": Remedy(_("Wait until it is removed.")),
        "purging purged": Remedy(_("There is nothing to do: it is purged already.")),
    },
}


# A stack is not started or stopped itself, and one that failed cannot be.
_OF_STACKS = {ANY_ACTION: {"error": _DELETE_BROKEN}}

RemedyTable = Mapping[tuple[str, str], Remedy]


def _table(rows: Mapping[str, Mapping[str, Remedy]]) -> RemedyTable:
    """Each action and state of the rows, which have several of both in one text."""
    return {
        (action, state): remedy
        for actions, of_states in rows.items()
        for states, remedy in of_states.items()
        for action in actions.split() or [ANY_ACTION]
        for state in states.split()
    }


SERVICE_REMEDIES = _table({ANY_ACTION: _OUT_OF, **_OF_ACTIONS})
STACK_REMEDIES = {**SERVICE_REMEDIES, **_table(_OF_STACKS)}
