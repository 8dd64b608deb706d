"""Whom a policy lets reach whom, against a plain reading of the rules; and what agents make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.network.policies import ALL, LINKED, STACK
from apps.stacks.network_policy.reach import (
    PolicyContainer,
    PolicyMembers,
    PolicyService,
    policy_part,
    reached_services,
)
from corral_agent.network.document import NetworkPolicy, parse_document
from tests.agent.network.documents import plain_document


def box(key: int, service: int | None = None, *links: int) -> PolicyContainer:
    return PolicyContainer(key, f"10.42.4.{key}", service, links)


def read(part: dict[str, Any]) -> NetworkPolicy:
    """As an agent reads it."""
    return parse_document(plain_document(policy=json.loads(json.dumps(part)))).policy


def opens(policy: NetworkPolicy, first: PolicyContainer, second: PolicyContainer) -> bool:
    """Whether one container may open connections to another."""
    one, two = policy.groups[first.address], policy.groups[second.address]
    return one == two or (one, two) in policy.allowed or any({one, two} <= stack for stack in policy.stacks)


def plainly(members: PolicyMembers, mode: str, first: PolicyContainer, second: PolicyContainer) -> bool:
    """The rules, word by word."""
    services = {service.key: service for service in members.services}
    if first.key == second.key or second.key in first.links:
        return True
    mine = services.get(first.service or 0)
    names = {second.service} | {each.key for each in members.services if second.key in each.selected}
    if mine is None:
        # Of a linked container's group all are reached: those of its service that the same selectors find.
        return any(_same_group(members, other, second) for other in members.containers if other.key in first.links)
    goals, pending = {mine.key}, list(mine.links)
    if mode == STACK:
        goals |= {each.key for each in members.services if each.stack == mine.stack}
    while pending:
        target = services.get(pending.pop())
        if target is not None and goals.isdisjoint({target.key, -target.key}):
            goals.add(-target.key if target.is_alias else target.key)
            pending += target.links if target.is_alias else ()
    return bool(names & goals)


def _same_group(members: PolicyMembers, one: PolicyContainer, two: PolicyContainer) -> bool:
    selected = [
        {each.key for each in members.services if box.key in each.selected} - {box.service} for box in (one, two)
    ]
    is_service = one.service is not None and one.service in {each.key for each in members.services}
    return one.key == two.key or (is_service and one.service == two.service and selected[0] == selected[1])


KEYS = st.integers(1, 6)
SERVICES = st.lists(
    st.builds(
        PolicyService,
        key=KEYS,
        stack=st.integers(1, 2),
        is_alias=st.booleans(),
        links=st.lists(KEYS, max_size=3),
        selected=st.lists(KEYS, max_size=2),
    ),
    max_size=5,
    unique_by=lambda each: each.key,
)


@given(SERVICES, st.lists(st.none() | KEYS, min_size=1, max_size=6), st.sampled_from([LINKED, STACK]))
def test_it_is_what_the_rules_say(services: list[PolicyService], owners: list[int | None], mode: str):
    """Aliases have no containers; links of single containers are tried apart."""
    real = {each.key for each in services if not each.is_alias}
    boxes = [box(key, owner if owner in real else None) for key, owner in enumerate(owners, 1)]
    members = PolicyMembers(services, boxes)
    policy = read(policy_part(members, mode))
    for first in boxes:
        for second in boxes:
            assert opens(policy, first, second) == plainly(members, mode, first, second), (first, second)


def test_links_go_one_way_through_aliases_and_selectors():
    web, db, alias = (
        PolicyService(1, 1, links=(3,)),
        PolicyService(2, 1, selected=(4,)),
        PolicyService(3, 1, True, (2,)),
    )
    boxes = [box(1, 1), box(2, 2), box(3), box(4)]
    policy = read(policy_part(PolicyMembers((web, db, alias), boxes), LINKED))
    assert [opens(policy, boxes[0], other) for other in boxes] == [True, True, False, True]
    assert [opens(policy, boxes[1], other) for other in boxes] == [False, True, False, True]
    assert [opens(policy, boxes[3], other) for other in boxes] == [False, False, False, True]


def test_a_single_container_reaches_what_it_is_linked_to():
    boxes = [box(1, None, 2), box(2), box(3, 7, 1)]
    policy = read(policy_part(PolicyMembers((PolicyService(7, 1),), boxes), STACK))
    assert [opens(policy, boxes[0], other) for other in boxes] == [True, True, False]
    assert [opens(policy, boxes[2], other) for other in boxes] == [True, False, True]


def test_of_another_stack_only_what_is_linked():
    services = (PolicyService(1, 1, links=(4,)), PolicyService(2, 1), PolicyService(3, 2), PolicyService(4, 2))
    boxes = [box(key, key) for key in (1, 2, 3, 4)]
    policy = read(policy_part(PolicyMembers(services, boxes), STACK))
    assert [[opens(policy, first, second) for second in boxes] for first in boxes] == [
        [True, True, False, True],
        [True, True, False, False],
        [False, False, True, True],
        [False, False, True, True],
    ]
    assert reached_services(PolicyMembers(services), STACK)[1] == {1, 2, 4}
    assert reached_services(PolicyMembers(services), ALL)[3] == {1, 2, 3, 4}


@pytest.mark.parametrize("mode", [LINKED, STACK])
def test_a_thousand_containers_fit_into_thirty_kilobytes(mode: str):
    services = [PolicyService(key, key // 10, links=[(key * 7) % 100, (key * 3) % 100]) for key in range(100)]
    boxes = [
        PolicyContainer(key, f"10.42.{4 + key // 256}.{key % 256}", key % 100) for key in range(1000)
    ]  # the longest addresses there are in the usual subnet
    size = len(json.dumps(policy_part(PolicyMembers(services, boxes), mode)))
    assert 20_000 < size < 30_000, size
