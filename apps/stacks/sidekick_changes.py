"""The sidekicks of a service's next revision: some of them changed, or another set of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apps.containers.launch.config import LaunchConfig
from apps.stacks.models import Service, Stack
from apps.stacks.new_services import check_name, check_names_free
from apps.stacks.sidekicks import Sidekick, check_unit, merge_upgrade, name_field, next_sidekicks


def sidekicks_of_next(
    row: Service, sidekicks: Sequence[Sidekick], number: int, *, is_whole: bool
) -> tuple[Sidekick, ...]:
    """Those of revision `number`: the ones sent are all of them, or those that change. Raises `Invalid`."""
    if not is_whole:
        return merge_upgrade(row.sidekicks, sidekicks, number)
    named = [replace(each, name=check_name(each.name, name_field(each.name))) for each in sidekicks]
    _primary, stored = check_unit(row.name, LaunchConfig(), named)
    return next_sidekicks(row.sidekicks, stored, number)


def check_new_names(row: Service, stored: Sequence[Sidekick]) -> None:
    """Refuse sidekicks whose names the stack has already, and make sure that nobody takes them meanwhile."""
    new = {each.name for each in stored} - {each.name for each in row.sidekicks}
    if new:
        Stack.all_objects.select_for_update(no_key=True).get(pk=row.stack_id)
        check_names_free(row.stack, None, sorted(new), exclude_pk=row.pk)
