"""What a balancer does at one time, as values, of which a configuration of HAProxy is made. Pure.

A request to a listener goes to the backend of the first rule that matches it; where none does it is answered with 503.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

HTTP, HTTPS, TCP, TLS = "http", "https", "tcp", "tls"
PROTOCOLS = (HTTP, HTTPS, TCP, TLS)
HEALTH_PORT = 42  # answers the balancer's own health check, so that no listener can have it
READY, DRAINING, DISABLED = "ready", "draining", "disabled"

# Rancher's order, the first wins: host and path, host, wildcard host and path, wildcard host, path, everything.
HOST_AND_PATH, HOST, WILDCARD_AND_PATH, WILDCARD, PATH, DEFAULT = range(1, 7)


@dataclass(frozen=True, slots=True)
class Listener:
    """A port at which a balancer takes requests; `https` and `tls` are decrypted there.

    Public ones are published on the host, others reached by containers only. `proxy_protocol` of those whose clients
    say in front of each connection, in HAProxy's own words, whom they speak for. `target_port` is the one of targets
    that name none, `address` the host's address that a public one is published at, empty for all of them.
    """

    port: int
    protocol: str = HTTP
    is_public: bool = True
    proxy_protocol: bool = False
    target_port: int | None = None
    address: str = ""

    @property
    def is_http(self) -> bool:
        """Whether requests are looked into, so that rules may name hosts and paths."""
        return self.protocol in {HTTP, HTTPS}

    @property
    def is_encrypted(self) -> bool:
        """Whether it needs a certificate."""
        return self.protocol in {HTTPS, TLS}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a backend leads: `address` is an IP address, or a host name that is looked up again and again.

    `name` is unique in its backend and stays the same while it is the same container. Those that are draining get no
    new sessions, disabled ones nothing. `key` says which run of which container it is; empty for other addresses.
    """

    name: str
    address: str
    port: int
    state: str = READY
    weight: int = 1
    key: str = ""

    @property
    def is_enabled(self) -> bool:
        """Whether it gets new requests."""
        return self.state == READY


@dataclass(frozen=True, slots=True)
class Backend:
    """The servers of all targets of a rule; `name` is unique and stays the same while the rule does."""

    name: str
    servers: tuple[Server, ...] = ()


@dataclass(frozen=True, slots=True)
class BalancerRule:
    """Which requests to the listener `port` go to a backend.

    `host` is compared without regard to case and to the port of the request's Host; `*.a.com` matches every host that
    ends in `.a.com`, `a.*` every one that begins with `a.`; empty or `*` all. `path` matches itself and what is below
    it (`/a` matches `/a` and `/a/b`, not `/ab`); empty all.
    """

    port: int
    host: str
    path: str
    backend: str

    @property
    def level(self) -> int:
        """Its place in Rancher's order of six, 1 first."""
        if not self.has_host:
            return PATH if self.path else DEFAULT
        if self.is_wildcard:
            return WILDCARD_AND_PATH if self.path else WILDCARD
        return HOST_AND_PATH if self.path else HOST

    @property
    def has_host(self) -> bool:
        """Whether it is for some hosts only."""
        return self.host not in {"", "*"}

    @property
    def is_wildcard(self) -> bool:
        """Whether its host stands for many."""
        return self.has_host and "*" in self.host

    def matches(self, host: str, path: str) -> bool:
        """Whether a request with this Host header and path is one of its."""
        return self._matches_host(without_port(host)) and self._matches_path(path)

    def _matches_host(self, host: str) -> bool:
        pattern = self.host.lower()
        if not self.has_host:
            return True
        if pattern.startswith("*"):
            return host.endswith(pattern[1:]) and host != pattern[1:]
        if pattern.endswith("*"):
            return host.startswith(pattern[:-1]) and host != pattern[:-1]
        return host == pattern

    def _matches_path(self, path: str) -> bool:
        prefix = self.path.rstrip("/")
        return not self.path or path == prefix or path.startswith(f"{prefix}/")


def without_port(host: str) -> str:
    """The host of a Host header, in lower case."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def in_order(rules: Iterable[BalancerRule]) -> tuple[BalancerRule, ...]:
    """Rules in the order in which they are tried: by listener and level; the longer path and host first within one."""
    return tuple(
        sorted(rules, key=lambda each: (each.port, each.level, -len(each.path), -len(each.host), each.host, each.path))
    )


def choose_rule(rules: Iterable[BalancerRule], port: int, host: str, path: str) -> BalancerRule | None:
    """The rule of a request, None where no rule matches it; `rules` are in order."""
    return next((each for each in rules if each.port == port and each.matches(host, path)), None)


@dataclass(frozen=True, slots=True)
class CookieStickiness:
    """Requests with the balancer's own cookie go to the server it names, `mode` is insert, rewrite or prefix.

    `domain` is whose cookie it is; `indirect` keeps it from the servers; `nocache` forbids caches to keep answers that
    set it; `postonly` sets it in answers to POST only.
    """

    cookie: str
    mode: str = "insert"
    domain: str = ""
    indirect: bool = False
    nocache: bool = False
    postonly: bool = False


@dataclass(frozen=True, slots=True)
class AppCookieStickiness:
    """Requests with the application's cookie go to the server that set it; `timeout` in milliseconds.

    The first `max_length` letters of its value count. With `request_learn` the first request with an unknown value
    decides. `prefix`: the cookie is any whose name begins so. `mode` is where it is looked for besides the header:
    path_parameters or query_string.
    """

    cookie: str
    max_length: int
    timeout: int
    request_learn: bool = False
    prefix: bool = False
    mode: str = "path_parameters"


@dataclass(frozen=True, slots=True)
class BalancerCertificate:
    """A certificate by its number and name; its material is read from the vault."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class CustomText:
    """Lines for the sections `global` and `defaults` of haproxy.cfg, as somebody wrote them."""

    global_lines: str = ""
    defaults_lines: str = ""


@dataclass(frozen=True, slots=True)
class BalancerConfig:
    """Everything of one balancer: `rules` are in the order in which they are tried (see `in_order`).

    `default_certificate` is shown to clients whose server name no certificate of `certificates` has. One that
    `is_leaving` still serves everybody, and says that it had better not be used any more.
    """

    listeners: tuple[Listener, ...] = ()
    rules: tuple[BalancerRule, ...] = ()
    backends: tuple[Backend, ...] = ()
    cookie: CookieStickiness | None = None
    app_cookie: AppCookieStickiness | None = None
    default_certificate: BalancerCertificate | None = None
    certificates: tuple[BalancerCertificate, ...] = ()
    custom: CustomText = field(default_factory=CustomText)
    health_port: int = HEALTH_PORT
    is_leaving: bool = False

    def rules_of(self, listener: Listener) -> tuple[BalancerRule, ...]:
        """The rules of a listener, the first to be tried first."""
        return tuple(each for each in self.rules if each.port == listener.port)

    def backend(self, name: str) -> Backend:
        """The backend of a rule."""
        return next(each for each in self.backends if each.name == name)
