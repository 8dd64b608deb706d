"""Mirrors of registries: where images are pulled from first, and what they are called there; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.core.errors import Invalid
from apps.vault.registries.addresses import DOCKER_HUB, MAX_ADDRESS, domain_of_image, parse_address
from apps.vault.registries.logins import RegistryLogin

_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_API_PATHS = frozenset({"v1", "v2"})


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror of one registry for one environment: its address, and the account there, None without one.

    `is_lent`: an administrator chose it.
    """

    address: str
    login: RegistryLogin | None = None
    is_lent: bool = False

    @property
    def domain(self) -> str:
        """The registry that the mirror is."""
        return mirror_domain(self.address)


def mirror_domain(address: str) -> str:
    """The registry that a mirror's address, as `parse_mirror` returned it, is at; empty for an empty one."""
    return address.partition("/")[0]


def parse_mirror(field: str, value: object, domain: str) -> str:
    """The address of a mirror of the registry `domain`: that of a registry, and perhaps a path in it; may be empty.

    Raises `Invalid`, also for the registry itself.
    """
    if not isinstance(value, str):
        raise Invalid(field, "InvalidFormat", f"{field} is a text, such as mirror.example.org:5000.")
    text = value.strip()
    if not text:
        return ""
    if len(text) > MAX_ADDRESS:
        raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {MAX_ADDRESS} characters.")
    if "@" in text:  # and not a word of what stands there, which may be a password
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field}: an address has no account in it; add the mirror as a registry of its own, with its account.",
        )
    address, _slash, path = _SCHEME.sub("", text, count=1).partition("/")
    found = parse_address(field, address).domain
    path = path.strip("/")
    path = "" if path in _API_PATHS else path
    if path and not _PATH.fullmatch(path):
        remedy = "a path in a registry has small letters, digits and, between them, dots, dashes and slashes"
        raise Invalid(field, "InvalidFormat", f"{field}: {path[:100]!r} is not a path in a registry; {remedy}.")
    if found == domain:
        raise Invalid(
            field, "InvalidOption", f"{field}: {domain} is the registry itself; give the address of another one."
        )
    return f"{found}/{path}" if path else found


def mirrored_name(address: str, image: str) -> str:
    """What an image is called at the mirror, with its digest if it has one, else with its tag.

    Docker Hub's own images are in `library/` there, as at Docker Hub. Empty for what is no name of a registry's image.
    """
    name, _at, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    name, tag = (head, tag) if colon and "/" not in tag else (name, "latest")
    domain = domain_of_image(image)
    first, slash, rest = name.partition("/")
    if slash and (domain != DOCKER_HUB or "." in first):
        name = rest
    if domain == DOCKER_HUB and "/" not in name:
        name = f"library/{name}"
    if name == "library/sha256" or not _PATH.fullmatch(name):
        return ""
    return f"{address}/{name}@{digest}" if digest else f"{address}/{name}:{tag}"
