"""Both sides' keys."""

from __future__ import annotations

import asyncssh

KIND = "ssh-ed25519"


class BadKey(Exception):
    """A text that is no public key of the kind we use."""


def create_private_key() -> str:
    """A new private key."""
    return asyncssh.generate_private_key(KIND).export_private_key().decode()


def load_private_key(text: str) -> asyncssh.SSHKey:
    """The key of a private key's text. Raises `BadKey`."""
    try:
        return asyncssh.import_private_key(text)
    except Exception:  # noqa: BLE001  # a damaged text trips the library's parsers in many ways
        raise BadKey("the agent's own key cannot be read") from None


def public_key_line(text: str) -> str:
    """The public half of a private key, without a comment."""
    return " ".join(load_private_key(text).export_public_key().decode().split()[:2])


def load_public_key_data(text: str) -> bytes:
    """What identifies a public key. Raises `BadKey`."""
    try:
        key = asyncssh.import_public_key(text)
    except Exception:  # noqa: BLE001  # as above
        raise BadKey("the portal's key cannot be read") from None
    if key.get_algorithm() != KIND:
        raise BadKey(f"the portal's key is none of the kind {KIND}")
    return key.public_data
