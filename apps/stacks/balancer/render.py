"""A balancer's configuration as the files of HAProxy: haproxy.cfg, and the certificates that it shows. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field

from apps.stacks.balancer.config import (
    DRAINING,
    HTTP,
    READY,
    AppCookieStickiness,
    Backend,
    BalancerConfig,
    BalancerRule,
    CookieStickiness,
    CustomText,
    Listener,
    Server,
)
from apps.stacks.balancer.quoting import quote, section_name

FOLDER = "/etc/haproxy"
CONFIG_FILE = f"{FOLDER}/haproxy.cfg"
STATE_FILE = f"{FOLDER}/server-state"
CERTIFICATES = f"{FOLDER}/certificates"
STATS_SOCKET = "/run/haproxy/stats.sock"
HEALTH_PATH = "/.well-known/corral-health"  # answered by each HTTP listener itself, for whoever spreads over balancers
CHALLENGE_PATH = "/.well-known/acme-challenge/"
_LOCAL_PEER = "corral"
_PEER_PORT = 10042

# Left alone HAProxy reserves memory for as many connections as it may have files open: a million in a container.
_GLOBAL = f"""\
fd-hard-limit 65536
log stdout format raw local0 notice
hard-stop-after 1h
localpeer {_LOCAL_PEER}
stats socket {STATS_SOCKET} mode 600 level admin expose-fd listeners
server-state-file {STATE_FILE}
ssl-default-bind-options ssl-min-ver TLSv1.2
tune.ssl.default-dh-param 2048"""

# `idle-close-on-response`: a worker that goes still answers the next request of each connection that is kept open.
_DEFAULTS = """\
mode http
timeout connect 5s
timeout client 50s
timeout server 50s
timeout tunnel 1h
retries 3
option redispatch 1
option idle-close-on-response
load-server-state-from-file global
default-server inter 2s fastinter 500ms downinter 300ms fall 3 rise 1"""


@dataclass(frozen=True, slots=True)
class Challenges:
    """Who answers the challenges of a certificate authority, which come to port 80: the portal, by a host name too."""

    address: str
    port: int
    is_encrypted: bool = False


@dataclass(frozen=True, slots=True)
class RenderedServer:
    """A server under the names that it has in haproxy.cfg."""

    backend: str
    name: str
    address: str
    port: int
    key: str = ""

    @property
    def is_resolved(self) -> bool:
        """Whether its address is one, and no host name."""
        return _is_address(self.address)


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files of a balancer by their paths; `digest` is another one whenever one of them is.

    `servers` are those that get requests. `origins` says of lines of haproxy.cfg, counted from 1, which line of which
    custom text they are.
    """

    files: Mapping[str, bytes]
    servers: tuple[RenderedServer, ...] = ()
    origins: Mapping[int, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The haproxy.cfg."""
        return self.files[CONFIG_FILE].decode()

    @property
    def digest(self) -> str:
        """Of all files together."""
        whole = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            whole.update(f"{path} {len(content)}\n".encode() + content)
        return whole.hexdigest()


def render(
    config: BalancerConfig, material: Mapping[int, bytes] | None = None, challenges: Challenges | None = None
) -> Rendering:
    """The files of a configuration; `material` has certificate, chain and key by the certificates' numbers.

    Listeners that need a certificate are left out while there is none. Raises `UnsafeText`.
    """
    certificates = _certificate_files(config, material or {})
    listeners = [each for each in config.listeners if certificates or not each.is_encrypted]
    listed = next((path for path in certificates if path.endswith(".list")), "")
    head, origins = _head(config.custom)
    text = "\n".join([*head, *_sections(config, listeners, challenges, listed)]) + "\n"
    return Rendering({CONFIG_FILE: text.encode("utf-8", "replace"), **certificates}, _servers(config), origins)


def backend_name(listener: Listener, backend: str) -> str:
    """The name of a backend's section for such listeners: one section cannot serve requests and mere connections."""
    return f"{_mode(listener)}-{section_name(backend)}"


def _head(custom: CustomText) -> tuple[list[str], dict[int, str]]:
    """The sections that people may add to, and of each line that they did which of theirs it is."""
    lines: list[str] = []
    origins = {}
    texts = (("global", _GLOBAL, custom.global_lines), ("defaults", _DEFAULTS, custom.defaults_lines))
    for section, ours, theirs in texts:
        lines += [section, *(f"    {line}" for line in ours.splitlines())]
        for number, line in enumerate(theirs.splitlines(), 1):
            if line.strip() and line.strip() != section:  # people copy the section's own head as well
                lines.append(f"    {line.strip()}")
                origins[len(lines)] = f"{section} line {number}"
        lines.append("")
    return lines, origins


def custom_text_of(text: str) -> CustomText:
    """The custom lines of a haproxy.cfg that was rendered before."""
    found = []
    for section, ours in (("global", _GLOBAL), ("defaults", _DEFAULTS)):
        _before, _head, rest = f"\n{text}".partition(f"\n{section}\n")
        lines = [line.strip() for line in rest.partition("\n\n")[0].splitlines()]
        found.append("\n".join(line for line in lines if line not in ours.splitlines()))
    return CustomText(*found)


def _sections(
    config: BalancerConfig, listeners: Sequence[Listener], challenges: Challenges | None, certificates: str
) -> Iterator[str]:
    answering = challenges if any(each.port == 80 and each.protocol == HTTP for each in listeners) else None
    yield from _helpers(config, listeners, answering)
    for listener in listeners:
        yield from _frontend(config, listener, answering, certificates)
    if answering is not None:
        yield from _challenge_backend(answering)
    yield from _backends(config, listeners)


def _helpers(config: BalancerConfig, listeners: Sequence[Listener], challenges: Challenges | None) -> Iterator[str]:
    """The answer to health checks, and the sections that others refer to."""
    yield from ("frontend corral-health", "    mode http", f"    bind :{config.health_port}")
    status, word = (503, "leaving") if config.is_leaving else (200, "ok")
    yield f"    http-request return status {status} content-type text/plain string {word}"
    addresses = [server.address for backend in config.backends for server in backend.servers]
    if not all(map(_is_address, [*addresses, *([challenges.address] if challenges else [])])):
        yield from ("", "resolvers corral-dns", "    parse-resolv-conf", "    hold valid 5s", "    hold nx 2s")
    if config.app_cookie is not None and any(each.is_http for each in listeners):
        # A new worker gets the table of the one before it through its peer, itself.
        yield from ("", "peers corral-peers", f"    peer {_LOCAL_PEER} 127.0.0.1:{_PEER_PORT}")


def _frontend(
    config: BalancerConfig, listener: Listener, challenges: Challenges | None, certificates: str
) -> Iterator[str]:
    yield from ("", f"frontend port-{listener.port}", f"    mode {_mode(listener)}")
    encryption = f" ssl crt-list {certificates}" if listener.is_encrypted else ""
    alpn = " alpn h2,http/1.1" if listener.is_encrypted and listener.is_http else ""
    yield f"    bind :{listener.port}{' accept-proxy' if listener.proxy_protocol else ''}{encryption}{alpn}"
    rules = config.rules_of(listener)
    if not listener.is_http:
        yield from (f"    default_backend {backend_name(listener, rule.backend)}" for rule in rules[:1])
        return
    yield f"    monitor-uri {HEALTH_PATH}"
    if config.is_leaving:
        yield from ("    monitor fail if TRUE", "    http-after-response set-header connection close")
    yield "    option forwardfor"
    yield f"    http-request set-header X-Forwarded-Proto {'https' if listener.is_encrypted else 'http'}"
    yield f"    http-request set-header X-Forwarded-Port {listener.port}"
    yield "    http-request set-header X-Forwarded-Host %[req.hdr(host)] if { req.hdr(host) -m found }"
    if challenges is not None and listener.port == 80 and not listener.is_encrypted:
        yield f"    use_backend http-corral-challenges if {{ path -m beg {CHALLENGE_PATH} }}"
    for number, rule in enumerate(rules):
        yield from _rule(listener, rule, f"r{number}")
        if not (rule.has_host or rule.path):
            break  # of two that take everything the first does


def _rule(listener: Listener, rule: BalancerRule, name: str) -> Iterator[str]:
    """Conditions of one name are alternatives; those beside each other must all hold."""
    conditions = []
    if rule.has_host:
        yield f"    acl {name}-host {_host_condition(rule.host.lower())}"
        conditions.append(f"{name}-host")
    prefix = rule.path.rstrip("/")
    if rule.path:
        if prefix:
            yield f"    acl {name}-path path -m str -- {quote(prefix)}"
        yield f"    acl {name}-path path -m beg -- {quote(f'{prefix}/')}"
        conditions.append(f"{name}-path")
    target = backend_name(listener, rule.backend)
    yield f"    use_backend {target} if {' '.join(conditions)}" if conditions else f"    default_backend {target}"


def _host_condition(pattern: str) -> str:
    """Hosts are compared without their port; a star stands for at least one letter."""
    host = "req.hdr(host),host_only,lower"
    if pattern.startswith("*"):
        return f"{host} -m end -- {quote(pattern[1:])}"
    if pattern.endswith("*"):
        return f"{host} -m beg -- {quote(pattern[:-1])}"
    return f"{host} -m str -- {quote(pattern)}"


def _challenge_backend(challenges: Challenges) -> Iterator[str]:
    yield from ("", "backend http-corral-challenges", "    mode http")
    yield f"    http-request set-header Host {quote(challenges.address)}"
    words = ["server", "portal", _address(challenges.address, challenges.port)]
    words += ["ssl", "verify", "none"] * challenges.is_encrypted  # what is asked for is public, and signed for itself
    yield "    " + " ".join([*words, *_looked_up(challenges.address)])


def _backends(config: BalancerConfig, listeners: Sequence[Listener]) -> Iterator[str]:
    done = set()
    for listener in listeners:
        for rule in config.rules_of(listener):
            name = backend_name(listener, rule.backend)
            if name not in done:
                done.add(name)
                yield from _backend(config, listener, name, config.backend(rule.backend))


def _backend(config: BalancerConfig, listener: Listener, name: str, backend: Backend) -> Iterator[str]:
    yield from ("", f"backend {name}", f"    mode {_mode(listener)}", "    balance roundrobin")
    cookie = config.cookie if listener.is_http else None
    if cookie is not None:
        yield f"    {_cookie(cookie)}"
    if config.app_cookie is not None and listener.is_http:
        yield from (f"    {line}" for line in _app_cookie(config.app_cookie))
    for server in backend.servers:
        if server.state != DRAINING:
            yield f"    {_server(server, has_cookie=cookie is not None)}"


def _cookie(cookie: CookieStickiness) -> str:
    words = ["cookie", quote(cookie.cookie), cookie.mode if cookie.mode in {"rewrite", "prefix"} else "insert"]
    words += ["indirect"] * (cookie.indirect and cookie.mode != "rewrite") + ["nocache"] * cookie.nocache
    words += ["postonly"] * cookie.postonly
    return " ".join([*words, *(["domain", quote(cookie.domain)] if cookie.domain else [])])


def _app_cookie(cookie: AppCookieStickiness) -> Iterator[str]:
    """A table of the values that were seen, as HAProxy has no `appsession` any more."""
    length = max(1, min(cookie.max_length, 1024))
    yield f"stick-table type string len {length} size 100k expire {max(1, cookie.timeout)}ms peers corral-peers"
    name = _fetch_argument(cookie.cookie)
    elsewhere = f"urlp({name},;)" if cookie.mode == "path_parameters" else f"urlp({name})"
    use = "on" if cookie.request_learn else "match"
    yield f"stick {use} req.cook({name})"
    yield f"stick {use} {elsewhere}"
    yield f"stick store-response res.cook({name})"


def _fetch_argument(name: str) -> str:
    """A cookie's name between brackets, where quotes would be a part of it."""
    return section_name(name)


def _server(server: Server, *, has_cookie: bool) -> str:
    name = section_name(server.name)
    words = [
        "server",
        name,
        _address(server.address, server.port),
        "check",
        f"weight {max(0, min(server.weight, 256))}",
    ]
    words += _looked_up(server.address)
    if has_cookie:
        words.append(f"cookie {hashlib.sha256(server.name.encode()).hexdigest()[:16]}")
    return " ".join([*words, *([] if server.state == READY else ["disabled"])])


def _looked_up(address: str) -> list[str]:
    """How a host name is looked up: while HAProxy runs, as a slow answer must not hold up a reload."""
    return [] if _is_address(address) else ["resolvers corral-dns", "resolve-prefer ipv4", "init-addr last,none"]


def _address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address and _is_address(address) else f"{quote(address)}:{port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _mode(listener: Listener) -> str:
    return "http" if listener.is_http else "tcp"


def _servers(config: BalancerConfig) -> tuple[RenderedServer, ...]:
    found = {
        RenderedServer(
            backend_name(listener, rule.backend), section_name(server.name), server.address, server.port, server.key
        )
        for listener in config.listeners
        for rule in config.rules_of(listener)
        for server in config.backend(rule.backend).servers
        if server.state == READY
    }
    return tuple(sorted(found, key=astuple))


def _certificate_files(config: BalancerConfig, material: Mapping[int, bytes]) -> Mapping[str, bytes]:
    """The certificates, and their list: the first is shown to clients who name no server that another one has.

    They are named by what is in them: the files that the configuration of before reads stay as they are.
    """
    default = [config.default_certificate] if config.default_certificate else []
    known = dict.fromkeys(each.id for each in [*default, *config.certificates] if each.id in material)
    files = {f"{CERTIFICATES}/{_digest(material[key])}.pem": material[key] for key in known}
    listed = "".join(f"{path}\n" for path in files).encode()
    return {**files, f"{CERTIFICATES}/{_digest(listed)}.list": listed} if files else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
