"""The life cycles of registries and their credentials (v1 contract, section 5)."""

from __future__ import annotations

from dataclasses import replace

from apps.core.lifecycle import LifeCycle, default_lifecycle


def _with_delete(lifecycle: LifeCycle) -> LifeCycle:
    """The same, but what deletes takes the permission to delete.

    It may be requested while the row is being deactivated: what goes with its registry or environment is deactivated
    and removed at once.
    """
    table = dict(lifecycle.transitions)
    for name in {"remove", "purge", "restore"} & table.keys():
        table[name] = replace(table[name], permission="delete")
    table["remove"] = replace(table["remove"], start=table["remove"].start | {"deactivating"})
    return replace(lifecycle, transitions=table)


# Cancelling these would bring back what another row has taken the place of meanwhile.
_REPLACED = frozenset({"activate", "deactivate", "remove"})

REGISTRY = replace(_with_delete(default_lifecycle("registry", "operate")), not_undone=frozenset({"remove"}))
REGISTRY_CREDENTIAL = replace(
    _with_delete(default_lifecycle("registryCredential", "operate", restore=False)), not_undone=_REPLACED
)
SHARED_REGISTRY = replace(default_lifecycle("sharedRegistry", "admin", restore=False), not_undone=frozenset({"remove"}))
