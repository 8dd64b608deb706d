"""The agent's own key and the portal's public one."""

from __future__ import annotations

import asyncssh

KIND = "ssh-ed25519"


class BadKey(Exception):
    """A text that is not a key of the kind used here."""


def create_private_key() -> str:
    """A new private key."""
    return asyncssh.generate_private_key(KIND).export_private_key().decode()


def load_private_key(text: str) -> asyncssh.SSHKey:
    """Parse a private key. Raises `BadKey`."""
    try:
        return asyncssh.import_private_key(text)
    except Exception:  # noqa: BLE001  # a damaged text trips the library's parsers in many ways
        raise BadKey("the agent's own key cannot be read") from None


def public_key_line(text: str) -> str:
    """The public key that belongs to a private key, as one line without a comment."""
    return " ".join(load_private_key(text).export_public_key().decode().split()[:2])


def load_public_key_data(text: str) -> bytes:
    """The bytes that identify a public key, whatever its comment. Raises `BadKey`."""
    try:
        key = asyncssh.import_public_key(text)
    except Exception:  # noqa: BLE001  # as above
        raise BadKey("the portal's key cannot be read") from None
    if key.get_algorithm() != KIND:
        raise BadKey(f"the portal's key is not of the kind {KIND}")
    return key.public_data
