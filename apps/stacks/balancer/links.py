"""The rules of the services that a balancer links to: read, checked, and taken from its labels where none are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from apps.core.errors import Invalid
from apps.stacks.balancer.rules import check_rules
from apps.stacks.balancer.targets import TARGET_LABEL, TargetPort, parse_target_label, write_target_ports
from apps.stacks.models import Service, ServiceLink
from apps.stacks.service_options import BALANCER

LinkRules = Mapping[str, Sequence[TargetPort]]


def checked_rules(
    row: Service, targets: Mapping[str, Service], rules: LinkRules, before: Iterable[ServiceLink]
) -> dict[str, list[str]]:
    """The rules of all links to `targets` as they are stored, by name. Raises `Invalid` (`InvalidPort`)."""
    if row.kind != BALANCER:
        if any(rules.values()):
            raise Invalid("ports", "InvalidOption", f"{row.name} is no balancer: leave the ports of its links out.")
        return {name: [] for name in targets}
    known = {link.name: list(link.ports) for link in before if name_leads_to(link, targets)}
    found = {}
    for name, target in targets.items():
        if name in rules:
            check_rules(row.balancer_settings, rules[name])
            found[name] = write_target_ports(rules[name])
        elif name in known:
            found[name] = known[name]
        else:
            found[name] = write_target_ports(label_rules(row.config.labels, target, name, others=targets))
    return found


def name_leads_to(link: ServiceLink, targets: Mapping[str, Service]) -> bool:
    """Whether the link is to the same service as before."""
    return link.name in targets and targets[link.name].pk == link.target_id


def label_rules(
    labels: Mapping[str, str], target: Service, alias: str = "", *, others: Collection[str] = ()
) -> tuple[TargetPort, ...]:
    """What the labels of a balancer say of a target, by its link's name or its own. Raises `Invalid`.

    Its own is that of another link where one of the `others` is called so.
    """
    own = (f"{target.stack.name}/{target.name}", target.name)
    for name in (alias, *(each for each in own if each not in others)):
        if (text := labels.get(f"{TARGET_LABEL}{name}")) is not None:
            return parse_target_label(text, "launchConfig.labels")
    return ()


def rules_of_selected(row: Service, target: Service) -> tuple[TargetPort, ...]:
    """The rules of a target that the selector found: those of the balancer's labels, if they can be read."""
    if row.kind != BALANCER:
        return ()
    try:
        return label_rules(row.config.labels, target)
    except Invalid:
        return ()


def names_of_links(targets: Sequence[tuple[Service, str]]) -> list[tuple[Service, str]]:
    """The targets with a name for each link: v1 sends none; a second service of one name gets its stack's name too."""
    taken: dict[str, int] = {}
    found = []
    for target, sent in targets:
        name = sent or target.name
        if taken.setdefault(name, target.pk) != target.pk and not sent:
            name = f"{target.name}.{target.stack.name}"
        found.append((target, name))
    return found
