"""What an engine's refusal to log in to a registry means, and what to do about it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from apps.containers.pull_failures import RATE_LIMIT, classify_pull_failure

ACCEPTED = "accepted"
NO_HOST = "no host"
WRONG_PASSWORD = "wrong password"  # noqa: S105 - the name of a verdict
MAX_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class RegistryVerdict:
    """Whether a registry accepted an account: `kind` for machines, `text` and `remedy` for people.

    `host` is the host that asked, `message` what its engine said.
    """

    kind: str
    text: str
    remedy: str = ""
    host: str = ""
    message: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether images can be pulled with it."""
        return self.kind == ACCEPTED

    @property
    def is_refused(self) -> bool:
        """Whether the registry itself said no, so that no host will be able to pull with this account."""
        return self.kind == WRONG_PASSWORD


# By the kinds of `classify_pull_failure`: those are the same engines and the same registries.
_WRONG_PASSWORD = (
    WRONG_PASSWORD,
    "{registry} does not accept this user and password.",
    "Check both; some registries want an access token in the place of the password.",
)
_NOT_A_REGISTRY = (
    "not a registry",
    "What answers at {registry} is not a registry.",
    "Check the address and its port; a registry answers at /v2/.",
)
_TEXTS = {
    "denied": _WRONG_PASSWORD,
    "no access": _WRONG_PASSWORD,
    "no such image": _NOT_A_REGISTRY,
    "certificate": (
        "certificate",
        "{host} does not trust the certificate of {registry}.",
        "Put its authority's certificate on each host as /etc/docker/certs.d/{registry}/ca.crt, without a restart.",
    ),
    "plain HTTP": (
        "plain HTTP",
        "{registry} speaks plain HTTP, which {host} does not allow.",
        "Give the registry a certificate, or name it under insecure-registries in each host's /etc/docker/daemon.json.",
    ),
    "no such host": (
        "no such host",
        "{host} cannot resolve the name of {registry}.",
        "Check the address, and the DNS server of the host.",
    ),
    "unreachable": (
        "unreachable",
        "{host} cannot connect to {registry}.",
        "Check that the registry is up, its port, and the network, proxy and firewall of the host.",
    ),
    "timeout": (
        "timeout",
        "{registry} did not answer {host} in time.",
        "Check the network, proxy and firewall of the host, then test again.",
    ),
    RATE_LIMIT: (
        RATE_LIMIT,
        "{registry} was asked too often.",
        "Wait for some minutes, then test again.",
    ),
}
_UNKNOWN = ("other", "{host} could not log in to {registry}.", "See what its engine said.")
_STATUS_WORDS = "failed with status"


def read_refusal(message: str, registry: str, host: str) -> RegistryVerdict:
    """The verdict behind an engine's words; what it means is looked up without the registry's own name."""
    plain = message.replace(registry, "the registry") if registry else message
    failure = classify_pull_failure(plain)
    found = _TEXTS.get(failure.kind, _UNKNOWN)
    if found is _UNKNOWN and _STATUS_WORDS in message:
        found = _NOT_A_REGISTRY
    kind, text, remedy = (each.replace("{registry}", registry).replace("{host}", host) for each in found)
    return RegistryVerdict(kind, text, remedy, host, message[:MAX_MESSAGE])
