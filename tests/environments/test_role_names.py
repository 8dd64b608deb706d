"""Roles are ordered by what they hold, and permissions are called by the role that they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.environments.evaluator import EnvironmentRef, KeyLimit, is_visible
from apps.environments.reasons import (
    Access,
    MembershipMatch,
    Revocation,
    Subject,
    after_revocation,
    explain,
    lost_permissions,
    possible_revocations,
)
from apps.environments.roles import (
    PERMISSIONS,
    RANK,
    RESERVED_NAMES,
    ROLES,
    highest_role,
    largest_role_within,
    permissions_label,
)

SOME = st.frozensets(st.sampled_from(list(PERMISSIONS)))
KNOWN = st.dictionaries(st.sampled_from(["ops", "dev", "viewer"]), SOME).map(lambda made: {**ROLES, **made})
HERE, THERE = EnvironmentRef(7, "here"), EnvironmentRef(8, "there")


@pytest.mark.parametrize(
    ("roles", "best"),
    [
        ([], None),
        (["nonsense"], None),
        (["readonly", "nonsense"], "readonly"),
        (["readonly", "owner", "member"], "owner"),
        (["restricted", "member"], "member"),
        (["owner", "owner"], "owner"),
    ],
)
def test_the_highest_role_is_the_one_that_holds_most(roles: list[str], best: str | None) -> None:
    assert highest_role(roles) == best


def test_of_equals_the_first_in_the_alphabet_counts() -> None:
    known = {"b": frozenset({"view"}), "a": frozenset({"logs"})}
    assert highest_role(["b", "a"], known) == highest_role(["a", "b"], known) == "a"


@given(SOME, KNOWN)
def test_the_largest_role_within_is_covered_and_none_is_larger(
    held: frozenset[str], known: dict[str, frozenset[str]]
) -> None:
    found = largest_role_within(held, known)
    covered = {name: needs for name, needs in known.items() if needs <= held}
    assert (found is None) is (not covered)
    if found is not None:
        assert known[found] <= held
        assert all(len(needs) <= len(known[found]) for needs in covered.values())


@pytest.mark.parametrize("role", ROLES)
def test_who_holds_exactly_a_role_gets_it_and_is_called_by_it(role: str) -> None:
    assert largest_role_within(ROLES[role], ROLES) == role
    assert permissions_label(ROLES[role]) == role
    assert permissions_label(ROLES[role], ["ops", "dev"]) == role


@pytest.mark.parametrize(
    ("held", "roles", "called"),
    [
        pytest.param({"view"}, [], "less than a role", id="no role at all"),
        pytest.param({"view"}, ["ops"], "ops", id="the one role"),
        pytest.param({"view"}, {"ops"}, "ops", id="a set of one"),
        pytest.param({"view", "exec"}, ["ops", "dev"], "dev + ops", id="two roles"),
        pytest.param(ROLES["readonly"], ["ops"], "ops", id="one role wins over an equal built-in one"),
        pytest.param(set(), [], "less than a role", id="nothing"),
    ],
)
def test_what_permissions_are_called(held: frozenset[str], roles: list[str], called: str) -> None:
    assert permissions_label(frozenset(held), roles) == called


def test_each_built_in_role_holds_all_of_the_next() -> None:
    in_order = sorted(ROLES, key=RANK.__getitem__)
    assert in_order[0] == "owner"
    for above, below in pairwise(in_order):
        assert ROLES[below] < ROLES[above]


def test_every_permission_says_what_it_allows_and_no_role_invents_one() -> None:
    assert all(text and not text.endswith(".") for text in PERMISSIONS.values())
    assert frozenset().union(*ROLES.values()) == set(PERMISSIONS)
    assert set(ROLES) <= RESERVED_NAMES


@pytest.mark.parametrize(
    ("held", "active", "there"),
    [({"view"}, True, True), ({"view"}, False, False), ({"own"}, False, True), (set(), True, True)],
)
def test_a_sleeping_environment_is_there_for_owners(held: set[str], active: bool, there: bool) -> None:
    assert is_visible(held, active=active) is there


def match(role: str, member: int = 1, ref: EnvironmentRef = HERE, **more: object) -> MembershipMatch:
    return MembershipMatch(member, ref.environment, role, ROLES[role], display_name=f"m{member}", **more)  # type: ignore[arg-type]


MATCHES = st.builds(
    match,
    st.sampled_from(list(ROLES)),
    st.integers(1, 5),
    st.sampled_from([HERE, THERE]),
    identity=st.sampled_from(["a", "b"]),
    is_group=st.booleans(),
)
LIMITS = st.builds(KeyLimit, st.just("r"), st.none() | SOME, st.sampled_from([None, 7, 8]), st.booleans())
HOLDERS = st.builds(Subject, st.just(3), st.booleans(), st.booleans(), matches=st.lists(MATCHES, max_size=4).map(tuple))


@given(HOLDERS, LIMITS)
def test_a_key_never_holds_more_than_its_account(subject: Subject, limit: KeyLimit) -> None:
    keyed = Subject(subject.account, subject.is_active, subject.is_admin, limit, subject.matches)
    for ref in (HERE, THERE):
        mine, keys = explain(subject, ref), explain(keyed, ref)
        assert keys.held <= mine.held
        assert keys.held | keys.beyond_limit <= mine.held
        if limit.permissions is not None:
            assert keys.held <= limit.permissions
    assert not (keyed.is_unrestricted_admin and not subject.is_unrestricted_admin)


@given(HOLDERS, MATCHES)
def test_one_membership_more_takes_nothing(subject: Subject, more: MembershipMatch) -> None:
    wider = Subject(subject.account, subject.is_active, subject.is_admin, matches=(*subject.matches, more))
    for ref in (HERE, THERE):
        assert explain(subject, ref).held <= explain(wider, ref).held


@given(HOLDERS)
def test_each_path_grants_what_it_is_a_path_of(subject: Subject) -> None:
    for name, paths in explain(subject, HERE).paths.items():
        assert paths
        for path in paths:
            assert subject.is_admin if path is None else name in path.permissions
            assert path is None or path.environment == HERE.environment


@given(HOLDERS)
def test_what_no_revocation_takes_is_held_twice(subject: Subject) -> None:
    """A permission that survives every single revocation has two paths that no revocation ends at once."""
    access = explain(subject, HERE)
    for name, paths in access.paths.items():
        if len(paths) == 1 and subject.is_effective:
            assert any(
                name in lost_permissions(subject, revocation, [HERE]).get(7, frozenset())
                for revocation in possible_revocations(subject)
            )


@given(HOLDERS)
def test_cutting_twice_is_cutting_once(subject: Subject) -> None:
    for revocation in possible_revocations(subject):
        once = after_revocation(subject, revocation)
        assert after_revocation(once, revocation) == once
        assert revocation not in possible_revocations(once)


@pytest.mark.parametrize(
    ("revocation", "left"),
    [
        pytest.param(Revocation("member", "m1", 1), {"readonly", "owner"}, id="one entry"),
        pytest.param(Revocation("group", "ops"), {"member"}, id="a group, on both lists"),
        pytest.param(Revocation("group", "m1"), {"member", "readonly", "owner"}, id="a group of another name"),
        pytest.param(Revocation("role", "owner"), {"member", "readonly"}, id="a role"),
        pytest.param(Revocation("admin"), {"member", "readonly", "owner"}, id="being an administrator"),
        pytest.param(Revocation("member", "m9", 9), {"member", "readonly", "owner"}, id="somebody else's entry"),
    ],
)
def test_a_cut_ends_what_it_names(revocation: Revocation, left: set[str]) -> None:
    matches = (
        match("member", 1),
        match("readonly", 2, identity="ops", is_group=True),
        match("owner", 3, THERE, identity="ops", is_group=True),
    )
    assert {
        each.role for each in after_revocation(Subject(3, is_admin=True, matches=matches), revocation).matches
    } == left


def test_nothing_explained_is_nothing_held() -> None:
    assert Access(HERE).held == frozenset()
    assert lost_permissions(Subject(3), Revocation("admin"), [HERE, THERE]) == {}
