"""Reconciling environments: at once, but for removal, which waits until nothing is left inside."""

from __future__ import annotations

from apps.core.hooks import hooks
from apps.core.plurals import counted
from apps.core.result import ReconcileResult
from apps.environments.models import Environment, RoleGroup
from apps.environments.services import role_groups_sync


def reconcile_environment(row: Environment) -> ReconcileResult:
    """The desired state is the observed one at once; a removed environment first removes what is inside."""
    if row.desired != "removed":
        if row.removed is not None and row.desired != "purged":
            role_groups_sync(row)  # its groups went when it was removed
        return ReconcileResult(state=row.desired)
    for (
        empty
    ) in hooks.on_environment_removed:  # from the top down: stacks, then containers, then the hosts they stand on
        left = empty(row.pk)
        if left:
            message = f"Waiting for {counted(left, 'thing')} inside to go"
            return ReconcileResult(state="removing", message=message, requeue_after=1.0)
    for role in RoleGroup.objects.filter(environment=row).select_related("group"):
        role.group.delete()
    return ReconcileResult(state="removed")
