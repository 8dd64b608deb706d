"""Which addresses and branches catalogs take, and which machines they may be fetched from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.egress import Unreachable, permitted_address
from apps.catalog.git_url import parse_branch, parse_git_url
from apps.core.egress import is_permitted
from apps.core.errors import Invalid


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "user"),
    [
        ("https://git.example.org/team/catalog.git", "https", "git.example.org", 443, ""),
        ("https://git.example.org:8443/catalog", "https", "git.example.org", 8443, ""),
        ("https://[2001:db8::1]/catalog", "https", "2001:db8::1", 443, ""),
        ("ssh://git@git.example.org:2222/catalog.git", "ssh", "git.example.org", 2222, "git"),
        ("git@git.example.org:team/catalog.git", "ssh", "git.example.org", 22, "git"),
        ("  https://git.example.org/catalog  ", "https", "git.example.org", 443, ""),
    ],
)
def test_usual_addresses_are_read(text: str, scheme: str, host: str, port: int, user: str):
    found = parse_git_url("url", text)
    assert (found.text, found.scheme, found.host, found.port, found.user) == (text.strip(), scheme, host, port, user)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-u https://host/x",
        "ext::sh -c id",
        "http://host/catalog",
        "git://host/catalog",
        "file:///etc",
        "/etc",
        "../catalog",
        "https://host",
        "https://host/",
        "https:///catalog",
        "https://-oProxyCommand=id/catalog",
        "ssh://-oProxyCommand=id/catalog",
        "git@-oProxyCommand=id:catalog",
        "git@host:-catalog",
        "ssh://-user@host/catalog",
        "https://host:99999/catalog",
        "https://host:x/catalog",
        "https://host/catalog?x=1",
        "https://host/catalog#main",
        "https://host/cata\nlog",
        "https://host/cata log",
        "https://host\\@evil/catalog",
        "https://host/" + "x" * 1100,
        "https://[::1/catalog",
    ],
)
def test_other_addresses_are_refused_in_words(text: str):
    with pytest.raises(Invalid) as refused:
        parse_git_url("url", text)
    assert refused.value.field == "url"
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("text", ["https://bob:secret@host/x", "https://bob@host/x", "ssh://bob:secret@host/x"])
def test_credentials_do_not_belong_into_addresses(text: str):
    with pytest.raises(Invalid) as refused:
        parse_git_url("url", text)
    assert "secret" not in refused.value.message
    assert "stored encrypted" in refused.value.message


def test_a_local_repository_is_for_tests_only():
    assert parse_git_url("url", "file:///srv/x", allow_local=True).scheme == "file"
    with pytest.raises(Invalid):
        parse_git_url("url", "file:///srv/x")


@given(st.text(max_size=80))
def test_whatever_is_typed_is_read_or_refused(text: str):
    try:
        found = parse_git_url("url", text)
    except Invalid:
        return
    assert found.scheme in {"https", "ssh"}
    assert not found.host.startswith("-")
    assert not found.text.startswith("-")


@pytest.mark.parametrize("name", ["", "main", "release/2.0", "v1_x-y"])
def test_branches_are_named_like_branches(name: str):
    assert parse_branch("branch", name) == name


@pytest.mark.parametrize(
    "name", ["-x", "--upload-pack=x", "a..b", "a b", "a/", "x.lock", "a:b", "a^", "a~1", "@{u}", "a//b"]
)
def test_what_git_reads_otherwise_is_no_branch(name: str):
    with pytest.raises(Invalid) as refused:
        parse_branch("branch", name)
    assert refused.value.field == "branch"


@pytest.mark.parametrize(
    ("address", "trusted", "networks", "expected"),
    [
        ("203.0.113.7", False, (), False),  # for documentation only: nobody is there
        ("93.184.216.34", False, (), True),
        ("2606:2800:220:1::1", False, (), True),
        ("127.0.0.1", False, (), False),
        ("10.1.2.3", False, (), False),
        ("::1", False, (), False),
        ("::ffff:10.1.2.3", False, (), False),
        ("fd00::1", False, (), False),
        ("10.1.2.3", False, ("10.0.0.0/8",), True),
        ("192.168.1.1", False, ("10.0.0.0/8",), False),
        ("10.1.2.3", True, (), True),
        ("127.0.0.1", True, (), True),
        ("169.254.169.254", True, (), False),
        ("169.254.169.254", False, ("169.254.0.0/16",), False),
        ("0.0.0.0", True, (), False),  # noqa: S104 - an address, not a listener
        ("224.0.0.1", True, (), False),
    ],
)
def test_addresses_inside_are_for_administrators(address: str, trusted: bool, networks: Sequence[str], expected: bool):
    assert is_permitted(address, is_trusted=trusted, networks=networks) is expected


def test_one_forbidden_address_of_a_host_is_enough():
    def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(Unreachable) as refused:
        permitted_address("git.example.org", 443, is_trusted=False, networks=(), resolve=resolve)
    assert "10.0.0.1" in str(refused.value)
    found = permitted_address("git.example.org", 443, is_trusted=False, networks=["10.0.0.0/8"], resolve=resolve)
    assert found == "93.184.216.34"


@pytest.mark.parametrize(
    ("address", "is_permissible"), [("10.0.0.1", True), ("169.254.169.254", False), ("fe80::1", False)]
)
def test_the_setting_is_named_only_where_it_helps(address: str, is_permissible: bool):
    with pytest.raises(Unreachable) as refused:
        permitted_address("x.example", 443, is_trusted=False, networks=(), resolve=lambda _host, _port: [address])
    text = str(refused.value)
    assert ("catalog.private.networks" in text, "cannot be permitted" in text) == (is_permissible, not is_permissible)


def test_a_host_that_is_not_known_is_said_so():
    with pytest.raises(Unreachable) as refused:
        permitted_address("no-such-host.invalid", 443, is_trusted=True, networks=())
    assert "no-such-host.invalid" in str(refused.value)
