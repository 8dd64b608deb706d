"""The keys of SSH endpoints: reading what a person entered, and whether a server's key is the pinned one."""

from __future__ import annotations

import asyncssh

from apps.drivers.base import CredentialRefused, Endpoint, HostKeyRefused


def client_keys(endpoint: Endpoint) -> list[asyncssh.SSHKey] | None:
    """The private key to log in with, None without one. Raises `CredentialRefused`."""
    if not endpoint.private_key:
        return None
    try:
        return [asyncssh.import_private_key(endpoint.private_key, endpoint.password or None)]
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, ValueError) as error:
        if isinstance(error, asyncssh.KeyEncryptionError) or "assphrase" in str(error):
            raise CredentialRefused("The private key's passphrase is missing or wrong.", "password") from None
        raise CredentialRefused(f"This is not a private key that SSH can use: {error}.") from None


def public_key_line(key: asyncssh.SSHKey) -> str:
    """A public key as one line, without a comment."""
    kind, text = key.export_public_key().decode().split()[:2]
    return f"{kind} {text}"


def fingerprint(text: str) -> str:
    """The SHA256 fingerprint of a public key's line; a fingerprint stays as it is. Raises `HostKeyRefused`."""
    words = text.split()
    if len(words) == 1 and words[0].startswith("SHA256:"):
        return words[0].rstrip("=")
    try:
        return asyncssh.import_public_key(" ".join(words[:2])).get_fingerprint()
    except (asyncssh.KeyImportError, ValueError):
        raise HostKeyRefused("This is not a host key: give the line of its .pub file or its SHA256:... hash.") from None


def host_key_algorithms(pinned: str) -> list[str] | None:
    """What to ask the server for, so that it shows the pinned key and not another of its own; None for its choice."""
    if len(pinned.split()) < 2:
        return None
    return [name.decode() for name in asyncssh.import_public_key(pinned).sig_algorithms]


class HostKeyVerifier(asyncssh.SSHClient):
    """Accepts a server whose key is the pinned one, and remembers the key it presented."""

    def __init__(self, pinned: str) -> None:
        self._pinned = fingerprint(pinned) if pinned else ""
        self.presented_key = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002  # as asyncssh calls it
        """Whether it is the pinned key."""
        self.presented_key = public_key_line(key)
        return bool(self._pinned) and fingerprint(self.presented_key) == self._pinned

    def refusal(self, url: str) -> HostKeyRefused:
        """Why the server was not accepted."""
        shown = fingerprint(self.presented_key)
        if not self._pinned:
            return HostKeyRefused(
                f"{url} shows the key {shown}: compare it with the host's own, and confirm it.", self.presented_key
            )
        words = f"{url} shows another key than the one that was confirmed: {shown} instead of {self._pinned}."
        return HostKeyRefused(
            f"{words} Somebody may be intercepting the connection, or the host was reinstalled.", self.presented_key
        )
