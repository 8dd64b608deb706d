"""Asking a registry for a digest: by HEAD only, with tokens and accounts, within limits, and at no other address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from apps.stacks.updates import registry_client
from apps.stacks.updates.image_names import ImageTag
from apps.stacks.updates.reachable import RegistryEndpoint
from apps.stacks.updates.registry_client import ManifestAnswer, RegistryClient
from apps.vault.registries.logins import RegistryLogin
from tests.stacks.updates.tag_registry import TagRegistry, digest, tag_registry

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRET = "rosebud-77-secret"
LOGIN = RegistryLogin("ignored", "alice", SECRET)


@pytest.fixture
def registry() -> Iterator[TagRegistry]:
    registry_client.tokens.clear()
    with tag_registry() as made:
        yield made


def client(registry: TagRegistry, login: RegistryLogin | None = None, *, is_trusted: bool = True) -> RegistryClient:
    host, _colon, port = registry.address.partition(":")
    return RegistryClient(RegistryEndpoint("http", host, int(port), is_trusted), login)


def ask(
    registry: TagRegistry, name: str = "team/web:1", login: RegistryLogin | None = None, etag: str = ""
) -> ManifestAnswer:
    repository, _colon, tag = name.partition(":")
    return client(registry, login).head(ImageTag(registry.address, repository, tag), NOW, etag)


def test_a_digest_is_asked_for_by_head_and_indexes_are_accepted_first(registry: TagRegistry):
    registry.push("team/web:1")
    answer = ask(registry)
    assert (answer.kind, answer.digest, answer.hold) == ("found", digest("team/web:1"), None)
    assert registry.requests == ["HEAD /v2/team/web/manifests/1 200"]
    accepted = registry.headers[0]["Accept"].split(", ")
    assert accepted[0] == "application/vnd.oci.image.index.v1+json"
    assert "application/vnd.docker.distribution.manifest.list.v2+json" in accepted


def test_the_etag_of_the_last_answer_makes_the_next_one_short(registry: TagRegistry):
    registry.push("team/web:1")
    first = ask(registry)
    assert ask(registry, etag=first.etag).kind == "unchanged"
    registry.push("team/web:1", "newer")
    assert ask(registry, etag=first.etag).digest == digest("newer")


def test_a_token_is_fetched_once_and_the_next_question_is_one_request(registry: TagRegistry):
    registry.uses_tokens = True
    registry.push("team/web:1")
    first = ask(registry)
    assert first.digest == digest("team/web:1")
    assert first.challenge["realm"] == f"http://{registry.address}/token"
    registry.requests.clear()
    tag = ImageTag(registry.address, "team/web", "1")
    assert client(registry).head(tag, NOW, "", first.challenge).kind == "found"
    assert registry.requests == ["HEAD /v2/team/web/manifests/1 200"]


def test_a_private_repository_is_shown_to_its_account_only(registry: TagRegistry):
    registry.uses_tokens, registry.private, registry.accounts = True, {"team/web"}, {"alice": SECRET}
    registry.push("team/web:1")
    refused = ask(registry)
    assert refused.kind == "refused"
    assert refused.digest == ""
    assert ask(registry, login=LOGIN).digest == digest("team/web:1")
    assert ask(registry).kind == "refused"  # the token of one account is not used for another


def test_an_account_is_sent_as_basic_authentication_where_the_registry_wants_that(registry: TagRegistry):
    registry.private, registry.accounts = {"team/web"}, {"alice": SECRET}
    registry.push("team/web:1")
    answer = ask(registry)
    assert (answer.kind, "it is private, or is not there" in answer.reason) == ("refused", True)
    assert ask(registry, login=LOGIN).digest == digest("team/web:1")


def test_a_wrong_password_is_refused_and_not_repeated(registry: TagRegistry):
    registry.uses_tokens, registry.accounts = True, {"alice": "another"}
    registry.push("team/web:1")
    answer = ask(registry, login=LOGIN)
    assert answer.kind == "refused"
    assert SECRET not in repr(answer)
    assert SECRET not in repr(LOGIN)


def test_a_tag_that_is_not_there_is_missing(registry: TagRegistry):
    answer = ask(registry)
    assert answer.kind == "missing"
    assert answer.reason == f"{registry.address} has no team/web:1."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "900"}, 900),
        ({"Retry-After": "Mon, 30 Nov 2026 12:10:00 GMT"}, 600),
        ({}, 3600),
        ({"Retry-After": "999999999"}, 86_400),
        ({"RateLimit-Remaining": "0;w=21600"}, 21_600),
        ({"Retry-After": "soon"}, 3600),
    ],
)
def test_a_limit_says_how_long_nothing_is_asked(registry: TagRegistry, headers: dict[str, str], seconds: float):
    registry.is_limited, registry.limit_headers = True, headers
    answer = ask(registry)
    assert (answer.kind, answer.hold) == ("limited", seconds)


@pytest.mark.parametrize(("remaining", "hold"), [("0;w=21600", 21_600), ("1;w=21600", None), ("many", None)])
def test_the_last_request_of_a_limit_is_not_followed_by_another(
    registry: TagRegistry, remaining: str, hold: float | None
):
    registry.limit_headers = {"RateLimit-Remaining": remaining}
    registry.push("team/web:1")
    answer = ask(registry)
    assert (answer.kind, answer.hold) == ("found", hold)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "invalid"),
        (b"HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:zz\r\n\r\n", "invalid"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "invalid"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n", "unreachable"),
        (b"what is this\r\n\r\n", "unreachable"),
        (b"\x00", "unreachable"),
    ],
)
def test_whoever_is_no_registry_is_refused_in_words(registry: TagRegistry, answer: bytes, kind: str):
    registry.broken = answer
    found = ask(registry)
    assert found.kind == kind
    assert found.reason.endswith(".")
    assert found.digest == ""


def test_a_name_that_leads_into_a_private_network_is_not_connected_to(registry: TagRegistry):
    registry.push("team/web:1")
    tag = ImageTag(registry.address, "team/web", "1")
    answer = client(registry, is_trusted=False).head(tag, NOW)
    assert answer.kind == "unreachable"
    assert "updates.registries" in answer.reason
    assert registry.requests == []


@pytest.mark.parametrize(
    "realm",
    [
        "http://10.1.2.3:9/token",
        "http://user:pw@127.0.0.1/token",
        "file:///etc/passwd",
        "ftp://127.0.0.1/token",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_a_registry_that_is_trusted_does_not_send_the_portal_elsewhere(registry: TagRegistry, realm: str):
    registry.uses_tokens, registry.realm = True, realm
    registry.push("team/web:1")
    answer = ask(registry, login=LOGIN)
    assert answer.kind in {"invalid", "unreachable"}
    assert [each.partition(" ")[0] for each in registry.requests] == ["HEAD"]
    assert all("Authorization" not in each for each in registry.headers)


def test_a_registry_that_is_not_there_is_unreachable():
    endpoint = RegistryEndpoint("http", "127.0.0.1", 1, is_trusted=True)
    answer = RegistryClient(endpoint).head(ImageTag("127.0.0.1:1", "web", "1"), NOW)
    assert answer.kind == "unreachable"
    assert answer.reason.startswith("127.0.0.1:1 cannot be reached: ")


def test_tls_to_a_server_without_it_is_unreachable(registry: TagRegistry):
    host, _colon, port = registry.address.partition(":")
    endpoint = RegistryEndpoint("https", host, int(port), is_trusted=True)
    assert RegistryClient(endpoint).head(ImageTag(registry.address, "web", "1"), NOW).kind == "unreachable"
