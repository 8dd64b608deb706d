"""Changing a balancer: what can be is changed in place, for other ports its containers are replaced in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from django.db import transaction

from apps.environments.actor import Actor
from apps.stacks.balancer.revisions import links_as_revision
from apps.stacks.balancer.services import needs_upgrade
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.models import Service
from apps.stacks.revisions import next_number
from apps.stacks.services import links_set, service_update
from apps.stacks.upgrade_services import prepare_upgrade, write_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy


def balancer_change(
    row: Service,
    *,
    actor: Actor,
    settings: BalancerSettings,
    links: Sequence[tuple[Service, str]],
    rules: Mapping[str, Sequence[TargetPort]],
    selector: str = "",
    labels: Mapping[str, str] | None = None,
    is_renewed: bool = False,
) -> bool:
    """Give a balancer other settings, targets and rules at once; `is_renewed` has its containers replaced anyway.

    So do other `labels`, which say where they may run too; None leaves them. Returns whether they are replaced. Raises
    `Invalid`, `Forbidden`, `ActionNotAvailable`, `Conflict`; nothing is changed then.
    """
    config = row.config if labels is None else replace(row.config, labels=labels)
    is_replaced = is_renewed or config != row.config or needs_upgrade(row, settings)
    with transaction.atomic():
        if is_replaced:
            prepared = prepare_upgrade(
                row,
                next_number(row),
                config=config,
                sidekicks=(),
                strategy=UpgradeStrategy(),
                balancer=settings,
            )
            columns = replace(row.options, balancer=settings, selector_link=selector).columns()
            write_upgrade(row, prepared, actor=actor, columns=columns)
            links_set(row, links, actor=actor, rules=rules)
        else:
            options = replace(row.options, balancer=settings, selector_link=selector)
            is_revision = options.balancer != row.options.balancer
            if options != row.options:
                service_update(row, actor=actor, options=options)
            with nullcontext() if is_revision else links_as_revision(row, actor):
                links_set(row, links, actor=actor, rules=rules)
    return is_replaced
