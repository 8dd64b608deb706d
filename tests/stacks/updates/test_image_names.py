"""What a registry is asked for, of an image's name; and how often it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.updates.image_names import ImageTag, digests_for, is_digest, pinned, read_image_tag, without_digest
from apps.stacks.updates.pacing import (
    interval_of,
    limit_delay,
    pause_delay,
    read_rate_limit,
    read_retry_after,
    retry_delay,
    share_of_round,
)
from apps.stacks.updates.reachable import (
    RegistryEndpoint,
    RegistryUnreachable,
    addresses_of,
    endpoint_of,
    read_trusted,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("image", "domain", "repository", "tag"),
    [
        ("nginx", "docker.io", "library/nginx", "latest"),
        ("nginx:1.25", "docker.io", "library/nginx", "1.25"),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest"),
        ("index.docker.io/team/app:1", "docker.io", "team/app", "1"),
        ("team/app", "docker.io", "team/app", "latest"),
        ("quay.io/team/app:v1", "quay.io", "team/app", "v1"),
        ("Quay.IO/team/app:v1", "quay.io", "team/app", "v1"),
        ("10.0.0.5:5000/app", "10.0.0.5:5000", "app", "latest"),
        ("localhost/app:x", "localhost", "app", "x"),
        ("registry.example.org:5000/a/b/c_d:1-2.3", "registry.example.org:5000", "a/b/c_d", "1-2.3"),
    ],
)
def test_a_name_means_a_tag_of_a_registry(image: str, domain: str, repository: str, tag: str):
    assert read_image_tag(image) == ImageTag(domain, repository, tag)


@pytest.mark.parametrize(
    "image",
    [
        f"nginx@{ONE}",
        f"nginx:1@{ONE}",
        "sha256:" + "a" * 64,
        "a" * 64,
        "abcdef012345",
        "",
        "UPPER/case",
        "a b",
        "a/../b",
        "a//b",
        "-x",
        "x:" + "t" * 129,
        "../etc/passwd",
        "quay.io/" + "a" * 300,
    ],
)
def test_a_name_that_means_no_tag_is_not_asked_for(image: str):
    assert read_image_tag(image) is None


@given(st.text(max_size=40))
def test_no_name_of_an_image_gets_anything_but_a_path_into_a_request(text: str):
    found = read_image_tag(text)
    assert found is None or not set(found.repository + found.tag) & set(" ?#%\r\n\\@")


def test_the_digests_of_other_repositories_do_not_count():
    tag = ImageTag("docker.io", "library/nginx", "1")
    held = [f"nginx@{ONE}", f"quay.io/nginx@{TWO}", f"docker.io/library/nginx@{TWO}", "nginx@sha256:x", "nonsense"]
    assert digests_for(tag, held) == (ONE, TWO)


def test_a_pinned_name_keeps_its_tag_and_loses_an_older_pin():
    assert pinned("nginx:1", ONE) == f"nginx:1@{ONE}"
    assert pinned(f"nginx:1@{TWO}", ONE) == f"nginx:1@{ONE}"
    assert without_digest(f"nginx:1@{ONE}") == "nginx:1"


@pytest.mark.parametrize(
    ("value", "found"),
    [(ONE, True), ("sha256:" + "G" * 64, False), ("md5:1", False), (None, False), (ONE + "\n", False)],
)
def test_a_digest_is_known_by_its_form(value: object, found: bool):
    assert is_digest(value) is found


def test_a_round_asks_for_its_share_of_the_interval():
    assert share_of_round(40, HOUR, timedelta(seconds=30)) == 1
    assert share_of_round(4000, HOUR, timedelta(seconds=30)) == 50
    assert share_of_round(0, HOUR, timedelta(seconds=30)) == 1
    assert (interval_of(5), interval_of(90)) == (HOUR, timedelta(minutes=90))


def test_failures_are_tried_again_ever_later_and_not_all_at_once():
    random = Random(1)  # noqa: S311
    waits = [retry_delay(n, HOUR, random) for n in range(1, 12)]
    assert min(waits) == HOUR
    assert timedelta(hours=9) < waits[-1] < timedelta(hours=15)
    pauses = [pause_delay(n, random) for n in range(1, 12)]
    assert timedelta(seconds=90) < pauses[0] < timedelta(minutes=3)
    assert pauses[-1] < timedelta(hours=5)
    assert len({pause_delay(3, random) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("headers", "status", "seconds"),
    [
        ({}, 200, None),
        ({"ratelimit-remaining": "5;w=21600"}, 200, None),
        ({"ratelimit-remaining": "0;w=21600"}, 200, 21_600),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "60"}, 200, 60),
        ({"ratelimit-remaining": "0"}, 200, 3600),
        ({"retry-after": "-5"}, 429, 3600),
        ({"retry-after": "0"}, 429, 0),
        ({"retry-after": "Mon, 30 Nov 2026 11:00:00 GMT"}, 429, 0),
        ({"retry-after": "9" * 40}, 429, 3600),
        ({"ratelimit-remaining": "nan"}, 429, 3600),
    ],
)
def test_a_limit_is_read_in_whatever_form_it_comes(headers: dict[str, str], status: int, seconds: float | None):
    found = limit_delay(headers, status, NOW)
    assert (found.total_seconds() if found is not None else None) == seconds


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_header_breaks_the_reading_of_limits(remaining: str, after: str):
    read_rate_limit({"ratelimit-remaining": remaining, "ratelimit-reset": after}, NOW)
    wait = read_retry_after(after, NOW)
    assert wait is None or timedelta(0) <= wait <= timedelta(hours=24)


def test_where_registries_answer_and_whom_an_administrator_trusts():
    trusted = read_trusted("http://10.0.0.5:5000, registry.example.org\nnonsense/path  [fd00::1]:5000")
    assert trusted == {"10.0.0.5:5000": "http", "registry.example.org": "https", "[fd00::1]:5000": "https"}
    assert endpoint_of("docker.io", {}) == RegistryEndpoint("https", "registry-1.docker.io", 443)
    assert endpoint_of("10.0.0.5:5000", trusted) == RegistryEndpoint("http", "10.0.0.5", 5000, is_trusted=True)
    assert endpoint_of("lent.example", {}, ["lent.example"]).is_trusted
    assert endpoint_of("[fd00::1]:5000", trusted).authority == "[fd00::1]:5000"
    assert endpoint_of("quay.io", {}).authority == "quay.io"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_addresses_inside_networks_are_reached_only_if_an_administrator_says_so(host: str):
    with pytest.raises(RegistryUnreachable, match=r"updates\.registries"):
        addresses_of(RegistryEndpoint("https", host, 443))
    assert addresses_of(RegistryEndpoint("https", host, 443, is_trusted=True))


def test_public_addresses_are_reached_and_names_without_one_are_not():
    assert addresses_of(RegistryEndpoint("https", "8.8.8.8", 443)) == ["8.8.8.8"]
    with pytest.raises(RegistryUnreachable, match="leads to no address"):
        addresses_of(RegistryEndpoint("https", "registry.invalid", 443))
