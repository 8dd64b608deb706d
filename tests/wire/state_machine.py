"""The state machines of services and stacks: from which states each action may start, and where it leads.

`*_CONTRACT` repeat section 5 of the v1 contract; `*_WIDER` is where this portal allows more, and why. There is nothing
that it refuses and v1 allows.
"""

from __future__ import annotations

from dataclasses import dataclass

# action: from -> meanwhile -> end; a star stands for the steady state that the row is in or on its way to
SERVICE_CONTRACT = """
    activate: inactive restarting -> activating -> active
    update: inactive active updating-active -> updating-* -> *
    deactivate: restarting active activating updating-active updating-inactive -> deactivating -> inactive
    upgrade: active inactive -> upgrading -> upgraded
    cancelupgrade: upgrading -> canceling-upgrade -> canceled-upgrade
    rollback: canceled-upgrade upgraded -> rolling-back -> active
    cancelrollback: rolling-back -> canceling-rollback -> canceled-rollback
    finishupgrade: upgraded canceled-upgrade canceled-rollback -> finishing-upgrade -> active
    restart: active -> restarting -> active
    remove: registering inactive activating active updating-active updating-inactive deactivating restarting -> removing -> removed
    remove: upgrading upgraded canceling-upgrade canceled-upgrade rolling-back -> removing -> removed
    remove: canceling-rollback canceled-rollback finishing-upgrade -> removing -> removed
"""  # noqa: E501
# One desired state replaces another: nobody has to wait for the end of a creation or a start before the next change.
# What is removed can be purged at once, and to go back to a revision is an upgrade. An upgrade replaces another one
# that is not finished: nobody has to take back a mistyped image first.
SERVICE_WIDER = """
    update: registering activating updating-inactive -> updating-* -> *
    upgrade: registering activating updating-active updating-inactive -> upgrading -> upgraded
    upgrade: upgrading upgraded canceled-upgrade -> upgrading -> upgraded
    deactivate: registering -> deactivating -> inactive
    purge: removed -> purging -> purged
"""
# v1 does not say when links may be changed. Clients set them after an upgrade too (`up --upgrade` of rancher-compose,
# while the service is upgraded), and they are no part of what is upgraded: always, until the service goes.
LINK_ACTIONS = ("setservicelinks", "addservicelink", "removeservicelink")

# How a service gets into each state: from which other one, and by what: an action, or the loop (`rest`: until it has
# nothing to do; `work`: only what can be done before the interval between two batches is over).
SERVICE_PATHS = {
    "inactive": ("registering", "rest"),
    "activating": ("inactive", "activate"),
    "active": ("activating", "rest"),
    "updating-inactive": ("inactive", "update"),
    "updating-active": ("active", "update"),
    "deactivating": ("active", "deactivate"),
    "restarting": ("active", "restart"),
    "restarting, half done": ("restarting", "work"),
    "upgrading": ("active", "upgrade"),
    "upgrading, half done": ("upgrading", "work"),
    "upgraded": ("upgrading", "rest"),
    "canceling-upgrade": ("upgrading, half done", "cancelupgrade"),
    "canceled-upgrade": ("canceling-upgrade", "rest"),
    "rolling-back": ("upgraded", "rollback"),
    "rolling-back, half done": ("rolling-back", "work"),
    "canceling-rollback": ("rolling-back, half done", "cancelrollback"),
    "canceled-rollback": ("canceling-rollback", "rest"),
    "finishing-upgrade": ("upgraded", "finishupgrade"),
    "removing": ("active", "remove"),
    "removed": ("removing", "rest"),
    "purging": ("removed", "purge"),
    "purged": ("purging", "rest"),
}

STACK_CONTRACT = """
    update: active -> updating-active -> active
    upgrade: active -> upgrading -> upgraded
    cancelupgrade: upgrading -> canceling-upgrade -> canceled-upgrade
    rollback: canceled-upgrade upgraded -> rolling-back -> active
    cancelrollback: rolling-back -> canceling-rollback -> canceled-upgrade
    finishupgrade: upgraded canceled-upgrade -> finishing-upgrade -> active
    remove: activating active updating-active upgrading upgraded canceling-upgrade -> removing -> removed
    remove: canceled-upgrade rolling-back canceling-rollback finishing-upgrade -> removing -> removed
"""
# v1 does not say when the other actions are there. What is done to all services needs the stack at rest; its texts can
# be read as long as it can.
STACK_WIDER = """
    update: updating-active -> updating-active -> active
    upgrade: activating updating-active upgrading upgraded canceled-upgrade -> upgrading -> upgraded
    activateservices: active -> active -> active
    activateservices: updating-active -> updating-active -> active
    deactivateservices: active -> active -> active
    deactivateservices: updating-active -> updating-active -> active
    addoutputs: active updating-active -> updating-active -> active
    purge: removed -> purging -> purged
"""
STACK_PATHS = {
    "active": ("activating", "rest"),
    "updating-active": ("active", "update"),
    "upgrading": ("active", "upgrade"),
    "upgraded": ("upgrading", "rest"),
    "canceling-upgrade": ("upgrading", "cancelupgrade"),
    "canceled-upgrade": ("canceling-upgrade", "rest"),
    "rolling-back": ("upgraded", "rollback"),
    "canceling-rollback": ("rolling-back", "cancelrollback"),
    "finishing-upgrade": ("upgraded", "finishupgrade"),
    "removing": ("active", "remove"),
    "removed": ("removing", "rest"),
    "purging": ("removed", "purge"),
    "purged": ("purging", "rest"),
}


@dataclass(frozen=True)
class Step:
    """What an action leads to: the state that its answer shows, and the one when the loop has done it."""

    meanwhile: str
    end: str

    def of(self, steady: str) -> Step:
        """The step of a row that is in this steady state, or on its way to it."""
        return Step(self.meanwhile.replace("*", steady), self.end.replace("*", steady))


def parse(*tables: str) -> dict[tuple[str, str], Step]:
    """The steps of tables, by state and action."""
    found: dict[tuple[str, str], Step] = {}
    for line in filter(None, (line.strip() for table in tables for line in table.splitlines())):
        action, _colon, rest = line.partition(":")
        starts, meanwhile, end = rest.split("->")
        found |= {(start, action): Step(meanwhile.strip(), end.strip()) for start in starts.split()}
    return found
