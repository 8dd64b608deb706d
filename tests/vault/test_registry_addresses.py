"""Which registry an image's name means, and what is taken for the address of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.vault.registries.addresses import DOCKER_HUB, domain_of_image, login_address, parse_address, title_of
from apps.vault.registries.logins import RegistryLogin

IMAGES = {
    "redis": DOCKER_HUB,
    "redis:7": DOCKER_HUB,
    "library/redis": DOCKER_HUB,
    "acme/web:1.0": DOCKER_HUB,
    "registry/web": DOCKER_HUB,  # a user called "registry"
    "docker.io/acme/web": DOCKER_HUB,
    "index.docker.io/acme/web": DOCKER_HUB,
    "registry-1.docker.io/acme/web": DOCKER_HUB,
    "localhost/web": "localhost",
    "localhost:5000/web": "localhost:5000",
    "registry:5000/web": "registry:5000",
    "Registry/web": "registry",
    "quay.io/acme/web": "quay.io",
    "QUAY.io/acme/web": "quay.io",
    "10.0.0.5:5000/team/web@sha256:" + "0" * 64: "10.0.0.5:5000",
    "[2001:db8::1]:5000/web": "[2001:db8::1]:5000",
    "": DOCKER_HUB,
}
ADDRESSES = {
    "quay.io": ("quay.io", "quay.io"),
    " HTTPS://Quay.io/ ": ("quay.io", "quay.io"),
    "https://index.docker.io/v1/": ("index.docker.io", DOCKER_HUB),
    "registry-1.docker.io": ("registry-1.docker.io", DOCKER_HUB),
    "docker.io": ("docker.io", DOCKER_HUB),
    "http://10.0.0.5:5000/v2/": ("10.0.0.5:5000", "10.0.0.5:5000"),
    "localhost": ("localhost", "localhost"),
    "registry:5000": ("registry:5000", "registry:5000"),
    "[2001:db8::1]:5000": ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
}
REFUSED = (
    "", "  ", None, 5, "quay.io/acme", "user@quay.io", "quay.io:0", "quay.io:65536", "quay.io:x", "quay..io", "-a.io",
    "a-.io", "qu ay.io", "quay.io\nx", "ftp://quay.io", "registry", "[2001:db8::1", "[::1%eth0]:5", "[x]:5", "[::1]5",
    "a" * 64 + ".io", "a." * 200 + "io", "quäy.io", "quay.io:٣", "quay.io?x", "https://", "..", "a_b.io", "\x00.io",
)  # fmt: skip


@pytest.mark.parametrize(("image", "domain"), IMAGES.items())
def test_the_registry_of_an_image(image: str, domain: str):
    assert domain_of_image(image) == domain


@pytest.mark.parametrize(("address", "found"), ADDRESSES.items())
def test_an_address_in_all_its_spellings(address: str, found: tuple[str, str]):
    parsed = parse_address("serverAddress", address)
    assert (parsed.text, parsed.domain) == found
    assert domain_of_image(f"{parsed.text}/team/web:1") == parsed.domain


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_address_is_refused_with_the_remedy(address: object):
    with pytest.raises(Invalid, match=r"^serverAddress") as refused:
        parse_address("serverAddress", address)
    assert refused.value.field == "serverAddress"


@given(st.text(max_size=80))
def test_every_text_is_an_address_that_images_can_name_or_refused(text: str):
    try:
        parsed = parse_address("serverAddress", text)
    except Invalid:
        return
    assert domain_of_image(f"{parsed.text}/web") == parsed.domain
    assert parse_address("serverAddress", parsed.text) == parsed


def test_engines_log_in_to_docker_hub_by_its_old_name():
    assert (login_address(DOCKER_HUB), title_of(DOCKER_HUB)) == ("https://index.docker.io/v1/", "Docker Hub")
    assert (login_address("quay.io"), title_of("quay.io")) == ("quay.io", "quay.io")


def test_a_password_is_in_no_text_that_a_registry_repeats():
    login = RegistryLogin("quay.io", "alice", "s3cret-w0rd")
    header = "YWxpY2U6czNjcmV0LXcwcmQ="
    found = login.redact(f"denied: s3cret-w0rd, Basic {header} and {header.rstrip('=')} for alice")
    assert found == "denied: •••, Basic ••• and ••• for alice"
    assert "s3cret" not in repr(login)
    assert RegistryLogin("quay.io", "bob", "").redact("unauthorized") == "unauthorized"
    assert RegistryLogin("quay.io", "bob", "a").redact("unauthorized") == "unauthorized"
