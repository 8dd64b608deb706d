"""Which images a rule takes, as a pure choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.images.pruning import MAX_DAYS, Rule, choose, limit_of_age, tagged

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Found:
    """An image of a host."""

    pk: int = 1
    image_id: str = "sha256:aa"
    host_id: int = 1
    tag_list: list[str] = field(default_factory=list)
    size: int = 10
    created: datetime | None = NOW - timedelta(days=30)
    user_count: int = 0


NAMED, NAMELESS, USED = Found(1, "a", 1, ["app:1"]), Found(2, "b"), Found(3, "c", 1, ["web:1"], user_count=2)


@pytest.mark.parametrize(("rule", "going"), [("dangling", [NAMELESS]), ("unused", [NAMED, NAMELESS])])
def test_each_rule_takes_its_own_and_nothing_in_use(rule: Rule, going: list[Found]):
    found = choose([NAMED, NAMELESS, USED], rule)
    assert (list(found.going), found.used, found.needed) == (going, 1, 0)
    assert found.size == 10 * len(going)


@pytest.mark.parametrize(
    "name", ["app:1", "docker:app:1", "docker.io/app:1", "docker.io/library/app:1", "library/app:1"]
)
def test_what_the_environment_names_stays_however_it_is_written(name: str):
    found = choose([NAMED], "unused", needed={tagged(name)})
    assert (found.going, found.needed) == ((), 1)


def test_one_needed_name_keeps_the_image_with_all_its_names():
    assert choose([Found(tag_list=["old:1", "app:1"])], "unused", needed={"app:1"}).going == ()


def test_what_the_portal_puts_on_hosts_stays():
    found = choose([Found(tag_list=["corral/agent:v1"])], "unused", is_own=lambda name: name.startswith("corral/"))
    assert (found.going, found.needed) == ((), 1)


def test_age_is_that_of_the_image_and_unknown_age_is_young():
    images = [Found(1), Found(2, created=NOW - timedelta(days=2)), Found(3, created=None)]
    assert [each.pk for each in choose(images, "dangling", before=limit_of_age(NOW, 7)).going] == [1]
    assert [each.pk for each in choose(images, "dangling", before=limit_of_age(NOW, 0)).going] == [1, 2, 3]
    assert limit_of_age(NOW, MAX_DAYS) is not None


def test_the_fingerprint_is_that_of_what_goes():
    one = choose([NAMED, NAMELESS, USED], "unused").fingerprint
    assert one == choose([NAMELESS, NAMED], "unused").fingerprint, "neither order nor what stays counts"
    assert one != choose([NAMED], "unused").fingerprint
    assert one != choose([Found(1, "a", 2, ["app:1"]), NAMELESS], "unused").fingerprint, "another host"
    assert one != choose([Found(1, "a", 1, ["app:1", "app:2"]), NAMELESS], "unused").fingerprint, "another name"


NAMES = st.sampled_from(["app:1", "app:2", "web:1", "corral/agent:v1"])
IMAGES = st.lists(
    st.builds(
        Found,
        pk=st.integers(1, 99),
        tag_list=st.lists(NAMES, max_size=2, unique=True),
        size=st.integers(0, 10**12),
        user_count=st.integers(0, 2),
    ),
    max_size=20,
)


@given(images=IMAGES, needed=st.frozensets(NAMES), rule=st.sampled_from(["dangling", "unused"]))
def test_nothing_used_or_needed_ever_goes(images: list[Found], needed: frozenset[str], rule: Rule):
    found = choose(images, rule, needed=needed)
    assert all(not image.user_count and needed.isdisjoint(image.tag_list) for image in found.going)
    assert len(found.going) + found.used + found.needed <= len(images)
    assert {image.pk for image in choose(images, "dangling").going} <= {i.pk for i in choose(images, "unused").going}
