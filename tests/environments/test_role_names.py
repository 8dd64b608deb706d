"""Roles are ordered by what they hold, and permissions are called by the role that they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.environments.access.held import is_open
from apps.environments.reasons import Access, Cut, Holder, Limit, Place, Tie, cuts, explain, loses, without
from apps.environments.roles import PERMISSIONS, RANK, RESERVED, ROLES, highest, largest_within, named

SOME = st.frozensets(st.sampled_from(list(PERMISSIONS)))
KNOWN = st.dictionaries(st.sampled_from(["ops", "dev", "viewer"]), SOME).map(lambda made: {**ROLES, **made})
HERE, THERE = Place(7, "here"), Place(8, "there")


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
    assert highest(roles) == best


def test_of_equals_the_first_in_the_alphabet_counts() -> None:
    known = {"b": frozenset({"view"}), "a": frozenset({"logs"})}
    assert highest(["b", "a"], known) == highest(["a", "b"], known) == "a"


@given(SOME, KNOWN)
def test_the_largest_role_within_is_covered_and_none_is_larger(
    held: frozenset[str], known: dict[str, frozenset[str]]
) -> None:
    found = largest_within(held, known)
    covered = {name: needs for name, needs in known.items() if needs <= held}
    assert (found is None) is (not covered)
    if found is not None:
        assert known[found] <= held
        assert all(len(needs) <= len(known[found]) for needs in covered.values())


@pytest.mark.parametrize("role", ROLES)
def test_who_holds_exactly_a_role_gets_it_and_is_called_by_it(role: str) -> None:
    assert largest_within(ROLES[role], ROLES) == role
    assert named(ROLES[role]) == role
    assert named(ROLES[role], ["ops", "dev"]) == role


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
    assert named(frozenset(held), roles) == called


def test_each_built_in_role_holds_all_of_the_next() -> None:
    in_order = sorted(ROLES, key=RANK.__getitem__)
    assert in_order[0] == "owner"
    for above, below in pairwise(in_order):
        assert ROLES[below] < ROLES[above]


def test_every_permission_says_what_it_allows_and_no_role_invents_one() -> None:
    assert all(text and not text.endswith(".") for text in PERMISSIONS.values())
    assert frozenset().union(*ROLES.values()) == set(PERMISSIONS)
    assert set(ROLES) <= RESERVED


@pytest.mark.parametrize(
    ("held", "active", "there"),
    [({"view"}, True, True), ({"view"}, False, False), ({"own"}, False, True), (set(), True, True)],
)
def test_a_sleeping_environment_is_there_for_owners(held: set[str], active: bool, there: bool) -> None:
    assert is_open(held, active=active) is there


def tie(role: str, member: int = 1, place: Place = HERE, **more: object) -> Tie:
    return Tie(member, place.environment, role, ROLES[role], shown=f"m{member}", **more)  # type: ignore[arg-type]


TIES = st.builds(
    tie,
    st.sampled_from(list(ROLES)),
    st.integers(1, 5),
    st.sampled_from([HERE, THERE]),
    identity=st.sampled_from(["a", "b"]),
    is_group=st.booleans(),
)
LIMITS = st.builds(Limit, st.just("r"), st.none() | SOME, st.sampled_from([None, 7, 8]), st.booleans())
HOLDERS = st.builds(Holder, st.just(3), st.booleans(), st.booleans(), st.lists(TIES, max_size=4).map(tuple))


@given(HOLDERS, LIMITS)
def test_a_key_never_holds_more_than_its_account(holder: Holder, limit: Limit) -> None:
    keyed = Holder(holder.account, holder.is_active, holder.is_admin, holder.ties, limit)
    for place in (HERE, THERE):
        mine, keys = explain(holder, place), explain(keyed, place)
        assert keys.held <= mine.held
        assert keys.held | keys.beyond_limit <= mine.held
        if limit.permissions is not None:
            assert keys.held <= limit.permissions
    assert not (keyed.rules and not holder.rules)


@given(HOLDERS, TIES)
def test_one_membership_more_takes_nothing(holder: Holder, more: Tie) -> None:
    wider = Holder(holder.account, holder.is_active, holder.is_admin, (*holder.ties, more))
    for place in (HERE, THERE):
        assert explain(holder, place).held <= explain(wider, place).held


@given(HOLDERS)
def test_each_path_grants_what_it_is_a_path_of(holder: Holder) -> None:
    for name, paths in explain(holder, HERE).paths.items():
        assert paths
        for path in paths:
            assert holder.is_admin if path is None else name in path.permissions
            assert path is None or path.environment == HERE.environment


@given(HOLDERS)
def test_what_no_cut_takes_is_held_twice(holder: Holder) -> None:
    """A permission that survives every single cut has two paths that no one cut ends both of."""
    access = explain(holder, HERE)
    for name, paths in access.paths.items():
        if len(paths) == 1 and holder.is_there:
            assert any(name in loses(holder, cut, [HERE]).get(7, frozenset()) for cut in cuts(holder))


@given(HOLDERS)
def test_cutting_twice_is_cutting_once(holder: Holder) -> None:
    for cut in cuts(holder):
        once = without(holder, cut)
        assert without(once, cut) == once
        assert cut not in cuts(once)


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        pytest.param(Cut("member", "m1", 1), {"readonly", "owner"}, id="one entry"),
        pytest.param(Cut("group", "ops"), {"member"}, id="a group, on both lists"),
        pytest.param(Cut("group", "m1"), {"member", "readonly", "owner"}, id="a group of another name"),
        pytest.param(Cut("role", "owner"), {"member", "readonly"}, id="a role"),
        pytest.param(Cut("admin"), {"member", "readonly", "owner"}, id="being an administrator"),
        pytest.param(Cut("member", "m9", 9), {"member", "readonly", "owner"}, id="somebody else's entry"),
    ],
)
def test_a_cut_ends_what_it_names(cut: Cut, left: set[str]) -> None:
    ties = (
        tie("member", 1),
        tie("readonly", 2, identity="ops", is_group=True),
        tie("owner", 3, THERE, identity="ops", is_group=True),
    )
    assert {each.role for each in without(Holder(3, is_admin=True, ties=ties), cut).ties} == left


def test_nothing_explained_is_nothing_held() -> None:
    assert Access(HERE).held == frozenset()
    assert loses(Holder(3), Cut("admin"), [HERE, THERE]) == {}
