"""Services as the compose exporter takes them."""

from __future__ import annotations

from collections.abc import Iterable

from apps.stacks.balancer.certificates import certificate_names
from apps.stacks.compose import ComposeService
from apps.stacks.lost_host_policy import with_lost_host_label
from apps.stacks.models import Service, ServiceLink
from apps.stacks.schedule import with_schedule_labels
from apps.stacks.service_options import with_selector_labels
from apps.stacks.sidekicks import shown
from apps.stacks.updates.policy import with_policy_label


def to_compose_service(service: Service, links: Iterable[ServiceLink]) -> ComposeService:
    """One of them, with its links."""
    found = [link for link in links if not link.selected]
    config = with_lost_host_label(shown(service.name, service.config), service.lost_after)
    config = with_policy_label(config, service.update_policy)
    config = with_schedule_labels(config, service.timetable)
    settings = service.balancer_settings
    names = certificate_names(service.environment_id, settings)
    return ComposeService(
        name=service.name,
        config=with_selector_labels(config, service.options),
        sidekicks=tuple((each.name, shown(service.name, each.config)) for each in service.sidekicks),
        options=service.options,
        scale=service.scale,
        scale_policy=service.scale_policy,
        links=tuple((link.target.name, link.name) for link in found if link.target.stack_id == service.stack_id),
        external_links=tuple(
            (f"{link.target.stack.name}/{link.target.name}", link.name)
            for link in found
            if link.target.stack_id != service.stack_id
        ),
        metadata=service.metadata,
        description=service.description,
        rules={link.name: link.ports for link in found if link.ports},
        default_certificate=names.get(settings.default_certificate or 0, ""),
        certificates=tuple(names[key] for key in settings.certificates if key in names),
        networks=service.adopted.get("networks", ()),
    )
