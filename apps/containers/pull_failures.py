"""What a registry's or an engine's refusal to pull means, and what to do about it; pure.

The texts are those of Docker 20 to 27 (with and without the containerd store) and of the registries behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from apps.vault.registries.addresses import domain_of_image, title_of


@dataclass(frozen=True, slots=True)
class PullFailure:
    """`kind` for machines; `cause` and `remedy` are sentences for people.

    `needs_credential`: an account at the registry, or another one, would help.
    """

    kind: str
    cause: str
    remedy: str
    needs_credential: bool = False

    def named(self, registry: str) -> PullFailure:
        """The same with the registry's name in the sentences."""
        if "{registry}" not in f"{self.cause}{self.remedy}":
            return self
        return replace(
            self,
            cause=self.cause.replace("{registry}", registry),
            remedy=self.remedy.replace("{registry}", registry),
        )

    def summary(self, message: str) -> str:
        """In one line, for lists and operations; the engine's `message` where nothing better is known."""
        return f"Image pull failed: {message if self.kind == 'other' else self.cause}"


OTHER = PullFailure("other", "The image could not be pulled.", "See the engine's message; it is tried again by itself.")

RATE_LIMIT = "rate limit"

# The first that matches counts: a message may hold several of these words, the most telling one first.
# What lies between two words never holds the first of them again, so that a registry cannot make a search quadratic.
_KNOWN: tuple[tuple[re.Pattern[str], PullFailure], ...] = (
    (
        re.compile(r"toomanyrequests|too many requests|rate limit|\b429\b"),
        PullFailure(
            RATE_LIMIT,
            "The rate limit of {registry} is reached.",
            "It is tried again by itself, ever less often. Accounts are allowed more: add a credential of {registry}.",
            needs_credential=True,
        ),
    ),
    (
        re.compile(r"does not match the specified platform"),
        PullFailure(
            "other platform",
            "The image is not made for the platform that its container asks for.",
            "Choose a tag that is built for it, or leave `platform` out.",
        ),
    ),
    (
        re.compile(r"no matching manifest for|no match for platform|cannot be used on this platform|exec format error"),
        PullFailure(
            "platform",
            "The image is not made for the host's platform.",
            "Choose a tag that is built for the host's processor, or a host with another one.",
        ),
    ),
    (
        re.compile(r"server gave http response to https client|first record does not look like a tls handshake"),
        PullFailure(
            "plain HTTP",
            "The registry speaks plain HTTP.",
            "Give it a certificate, or name it under insecure-registries in the engine's configuration.",
        ),
    ),
    (
        re.compile(r"x509|certificate|tls: (?!handshake timeout)"),
        PullFailure(
            "certificate",
            "The registry's certificate is not trusted by the host.",
            "Install the authority's certificate on the host, or renew the registry's.",
        ),
    ),
    (
        re.compile(
            r"no such host|name resolution|server misbehaving|lookup (?:(?!lookup ).)*: (?:i/o timeout|no answer)"
        ),
        PullFailure(
            "no such host",
            "The registry's name cannot be resolved on the host.",
            "Check the registry in the image's name, and the host's DNS.",
        ),
    ),
    (
        re.compile(r"no space left on device"),
        PullFailure(
            "disk full", "The host's disk is full.", "Free space on the host, for example by removing unused images."
        ),
    ),
    (
        re.compile(r"pull access denied|repository does not exist or may require|insufficient_scope"),
        PullFailure(
            "no access",
            "There is no such repository at {registry}, or it is private.",
            "Check the image's name; for a private one add a credential of {registry}, of an account that may pull it.",
            needs_credential=True,
        ),
    ),
    (
        re.compile(
            r"unauthorized|authentication required|no basic auth cred|incorrect username|\b401\b|\bdenied\b|\b403\b"
        ),
        PullFailure(
            "denied",
            "Access denied by {registry}.",
            "Add a credential of {registry}, or correct the one that is there: its account must be allowed to pull it.",
            needs_credential=True,
        ),
    ),
    (
        re.compile(
            r"manifest unknown|manifest for (?:(?!manifest for ).)* not found|name unknown|no such image|: not found"
            r"|does not exist|\b404\b"
        ),
        PullFailure("no such image", "The registry has no such image or tag.", "Check the image's name and its tag."),
    ),
    (
        re.compile(r"invalid reference format|invalid repository name|must be lowercase"),
        PullFailure(
            "invalid name", "This is not the name of an image.", "Write it as [registry/]name[:tag], in lower case."
        ),
    ),
    (
        re.compile(r"connection refused|network is unreachable|no route to host|connection reset|\beof\b"),
        PullFailure(
            "unreachable",
            "The host cannot connect to the registry.",
            "Check that the registry is up, and the host's network, proxy and firewall.",
        ),
    ),
    (
        re.compile(r"timeout|timed out|deadline exceeded|request canceled|in time"),
        PullFailure(
            "timeout",
            "The registry did not answer in time.",
            "Check the host's network and proxy; it is tried again by itself.",
        ),
    ),
)
MAX_LENGTH = 4000
BEFORE = " Before that, "
"""What leads from the registry's words to those of its mirror, which was tried first: they mean another server."""


def classify_pull_failure(message: str, image: str = "") -> PullFailure:
    """What the message of a failed pull of `image` means; `OTHER` where nothing is known about it."""
    registry = title_of(domain_of_image(image)) if image else "the registry"
    lowered = message.partition(BEFORE)[0][:MAX_LENGTH].lower()
    if image:  # its name may hold any of these words
        lowered = lowered.replace(image.lower(), "the image").replace(image.lower().rpartition(":")[0] or image, "")
    return next((failure for pattern, failure in _KNOWN if pattern.search(lowered)), OTHER).named(registry)
