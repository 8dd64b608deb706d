"""The values of a launch configuration: images, ports, volumes and nested objects, and the checks that read them."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from apps.core.errors import Invalid
from apps.core.fields import (
    Check,
    WireObject,
    integer,
    list_of,
    map_text,
    mapping,
    nested,
    option,
    plain_text,
    text,
    wire,
)
from health_checks.request import is_request

MAX_VALUE_LENGTH = 128 * 1024  # Linux refuses a longer argument or environment entry
NAME_HINT = "use letters, digits, '-', '_' and '.'"
CAPABILITIES = (
    "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH "
    "FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN "
    "NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT "
    "SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
VOLUME_MODES = "ro rw z Z nocopy cached delegated consistent shared slave private rshared rslave rprivate"

# The reference grammar of the distribution project: [domain/]path[:tag][@digest].
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
CLEARED = ("",)  # the entry point of a container that is not to have its image's; engines and v1 write it alike
GROUP_ONLY = "rancher/none"  # a service without containers of its own


def check_image_reference(name: str, value: str) -> str:
    """Check `[registry/]repository[:tag][@digest]` as registries do."""
    found = _REFERENCE.fullmatch(value) if len(value) <= 700 else None
    if found and len(found["name"]) <= 255:
        return value
    remedy = "write it as [registry/]name[:tag]"
    if re.search(r"[A-Z]", value.partition("@")[0].rpartition("/")[2].partition(":")[0]):
        remedy = "the name of an image must be lower-case"
    raise Invalid(name, "InvalidReference", f"{value[:100]!r} is not the name of an image: {remedy}.")


def image_uuid(reference: str) -> str:
    """The v1 form of what a person writes: `nginx` becomes `docker:nginx`; raises `Invalid` for anything else."""
    found = reference.strip()
    if found.startswith("sim:"):
        return "sim:" + check_image_reference("imageUuid", found[4:])
    return "docker:" + check_image_reference("imageUuid", found)


def check_image(name: str, value: Any) -> str:
    """Check the v1 form: an image with its kind in front."""
    found = plain_text(name, value)
    if found == GROUP_ONLY:
        return "docker:" + found
    kind, _, reference = found.partition(":")
    if kind not in {"docker", "sim"} or not reference:
        raise Invalid(name, "InvalidReference", f"{found[:100]!r} needs its kind in front, as in docker:{found[:100]}.")
    return f"{kind}:{check_image_reference(name, reference)}"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port of a container; `public` None leaves the choice of the host's port to the engine.

    `choice` are the first and the last port that the engine may choose from.
    """

    private: int
    protocol: str = "tcp"
    public: int | None = None
    address: str = ""
    choice: tuple[int, int] | None = None

    @classmethod
    def parse(cls, value: str, name: str = "ports") -> Self:
        """Read `[ip:][public[-last]:]private[/tcp|udp|sctp]`."""
        numbers, slash, protocol = value.partition("/")
        if slash and protocol.lower() not in PROTOCOLS:
            raise Invalid(name, "PortInvalidProtocol", f"{value[:100]!r}: the protocol must be tcp, udp or sctp.")
        found = re.fullmatch(r"(?:(?:(\[[^]]*\]|[^:\[\]]+):)?([0-9]{0,5})(?:-([0-9]{1,5}))?:)?([0-9]{1,5})", numbers)
        if not found or (found[2] == "" and (found[3] or not found[1])):
            raise cls._format_error(name, value)
        given = [int(number) for number in found.group(2, 3, 4) if number]
        if not all(0 < number < 65536 for number in given) or (found[3] and int(found[2]) > int(found[3])):
            raise cls._format_error(name, value)
        try:
            address = str(ipaddress.ip_address(found[1].strip("[]"))) if found[1] else ""
        except ValueError:
            raise cls._format_error(name, value) from None
        choice = (int(found[2]), int(found[3])) if found[3] and found[2] != found[3] else None
        public = int(found[2]) if found[2] and choice is None else None
        return cls(int(found[4]), protocol.lower() or "tcp", public, address, choice)

    @staticmethod
    def _format_error(name: str, value: str) -> Invalid:
        form = "[ip:][public[-last]:]private[/tcp|udp|sctp] with ports from 1 to 65535"
        return Invalid(name, "PortWrongFormat", f"{value[:100]!r} is not a port: write {form}.")

    @property
    def public_text(self) -> str:
        """The public side as engines and v1 write it: a port, a range to choose from, or nothing."""
        return f"{self.choice[0]}-{self.choice[1]}" if self.choice else str(self.public or "")

    def __str__(self) -> str:
        """Write it as v1 does, always with the protocol."""
        address = f"[{self.address}]:" if ":" in self.address else f"{self.address}:" if self.address else ""
        public = f"{self.public_text}:" if self.public_text or address else ""
        return f"{address}{public}{self.private}/{self.protocol}"


@dataclass(frozen=True, slots=True, order=True)
class Mount:
    """A mount: from a folder of the host, from a named volume, or (empty `source`) from a new unnamed volume."""

    path: str
    source: str = ""
    mode: str = ""

    @classmethod
    def parse(cls, value: str, name: str = "dataVolumes") -> Self:
        """Read `[host-or-name:]path[:ro|rw|z…]`."""
        parts = value.split(":")
        if len(parts) == 1 or (len(parts) == 2 and not parts[1].startswith("/")):
            parts = ["", *parts]
        source, path, mode = [*parts, ""][:3]
        has_valid_source = not source or re.fullmatch(r"/.*|[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}", source, re.DOTALL)
        is_complete = len(parts) <= 3 and len(value) <= 4096 and value[:1] != ":" and value[-1:] != ":"
        if not (is_complete and has_valid_source and path.startswith("/") and path.strip("/")):
            raise Invalid(
                name, "InvalidFormat", f"{value[:100]!r} is not a volume: write [host-or-name:]/path[:ro|rw]."
            )
        if mode and not set(mode.split(",")).issubset(VOLUME_MODES.split()):
            raise Invalid(name, "InvalidOption", f"{value[:100]!r}: the mode must be ro or rw.")
        return cls(path, source, mode)

    @property
    def is_bind(self) -> bool:
        """Whether it mounts a folder of the host."""
        return self.source.startswith("/")

    def __str__(self) -> str:
        return ":".join(part for part in (self.source, self.path, self.mode) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy(WireObject):
    """What is done when the container ends; without a name nobody decided, and a service keeps it running."""

    name: str = wire("name", option("", "no", "always", "on-failure", "unless-stopped"), "")
    maximum_retry_count: int = wire("maximumRetryCount", integer(0, 2**31 - 1), 0)


def check_retry_count(policy: RestartPolicy | None, at: str) -> None:
    """Refuse a number of retries for what is started again without end, or never. Raises `Invalid` on the field.

    0 is no number: clients of v1 send it with every policy.
    """
    if policy and policy.maximum_retry_count and policy.name != "on-failure":
        other = repr(policy.name) if policy.name else "a container without a policy"
        why = f"{at}maximumRetryCount is for `on-failure` alone, and {other} would not keep to it"
        raise Invalid(f"{at}maximumRetryCount", "InvalidOption", f"{why}: name `on-failure`, or leave the number out.")


_LOG_OPTION_NAME = text(low=1, high=255, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*", hint=NAME_HINT)


def _check_log_option(name: str, value: Any) -> str:
    """Check an option's value: a line break in it could speak to whatever service the driver sends output to."""
    found = str(map_text(8192)(name, value))
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", found):
        raise Invalid(name, "InvalidCharacters", f"{name} must not contain control characters; leave them out.")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig(WireObject):
    """Where the engine writes the output."""

    driver: str | None = wire("driver", text(low=1, high=64, pattern=r"[A-Za-z0-9][A-Za-z0-9/_.:-]*"))
    config: Mapping[str, str] = wire("config", mapping(_check_log_option, _LOG_OPTION_NAME), {})


def check_log_config(name: str, value: Any) -> LogConfig | None:
    """Check it; an empty driver without options, which Go clients send for nothing, is none."""
    if isinstance(value, Mapping) and value.get("driver") == "":
        value = {**value, "driver": None}
    found = LogConfig.from_wire(value, at=f"{name}.")
    return found if found.driver or found.config else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum(WireObject):
    """How many healthy containers must remain for an unhealthy one to be replaced."""

    quorum: int = wire("quorum", integer(1, 100_000), required=True)


_MILLISECONDS = integer(0, 86_400_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(WireObject):
    """The check made over the network; times in milliseconds. Without a `request_line` a TCP connection is enough."""

    port: int = wire("port", integer(1, 65535), required=True)
    request_line: str | None = wire("requestLine", text(high=1024, pattern=r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*"))
    interval: int = wire("interval", integer(1, 86_400_000), 2000)
    response_timeout: int = wire("responseTimeout", integer(1, 86_400_000), 2000)
    healthy_threshold: int = wire("healthyThreshold", integer(1, 1000), 2)
    unhealthy_threshold: int = wire("unhealthyThreshold", integer(1, 1000), 3)
    initializing_timeout: int = wire("initializingTimeout", _MILLISECONDS, 60_000)
    reinitializing_timeout: int = wire("reinitializingTimeout", _MILLISECONDS, 60_000)
    strategy: str = wire("strategy", option("none", "recreate", "recreateOnQuorum"), "recreate")
    quorum: Quorum | None = wire("recreateOnQuorumStrategyConfig", nested(Quorum))

    @classmethod
    def from_wire(cls, data: Any, at: str = "") -> Self:
        """Check it; the quorum strategy needs its quorum."""
        found = cls(**cls.read(data, at))
        if found.strategy == "recreateOnQuorum" and found.quorum is None:
            name = f"{at}recreateOnQuorumStrategyConfig"
            raise Invalid(name, "MissingRequired", "A health check that re-creates on quorum needs its quorum.")
        return found


def check_request(check: HealthCheck, at: str) -> HealthCheck:
    """The check, of a client; raises `Invalid` at `requestLine` if no server understands what it would send.

    Not part of `HealthCheck.from_wire`, by which what is stored is read: rows from before this rule stay readable.
    """
    line = check.request_line or ""
    if line.strip() and not is_request(line):
        remedy = "write a method, a path and the version, as in GET /up HTTP/1.0; leave it out for a TCP connection."
        raise Invalid(f"{at}requestLine", "InvalidFormat", f"{line[:100]!r} is no request line: {remedy}")
    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerHealthCheck(WireObject):
    """The engine's own check, run inside the container; times in milliseconds, 0 is the engine's default."""

    test: tuple[str, ...] = wire("test", list_of(text(high=MAX_VALUE_LENGTH)), ())
    interval: int = wire("interval", _MILLISECONDS, 0)
    timeout: int = wire("timeout", _MILLISECONDS, 0)
    start_period: int = wire("startPeriod", _MILLISECONDS, 0)
    retries: int = wire("retries", integer(0, 1000), 0)

    @classmethod
    def from_wire(cls, data: Any, at: str = "") -> Self:
        """Check it; a single text is run by the shell."""
        if isinstance(data, Mapping) and isinstance(data.get("test"), str):
            data = {**data, "test": ["CMD-SHELL", data["test"]]}
        found = cls(**cls.read(data, at))
        if found.test and found.test[0] not in {"NONE", "CMD", "CMD-SHELL"}:
            raise Invalid(f"{at}test", "InvalidOption", "The test must begin with NONE, CMD or CMD-SHELL.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class BlkioDevice(WireObject):
    """Limits of one block device."""

    weight: int | None = wire("weight", integer(10, 1000))
    read_bps: int | None = wire("readBps", integer(0))
    write_bps: int | None = wire("writeBps", integer(0))
    read_iops: int | None = wire("readIops", integer(0))
    write_iops: int | None = wire("writeIops", integer(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit(WireObject):
    """A limit on a process; `hard` is `soft` when absent, -1 is no limit."""

    name: str = wire("name", text(low=1, high=32, pattern=r"[a-z]+", hint="such as nofile"), required=True)
    soft: int = wire("soft", integer(-1), required=True)
    hard: int | None = wire("hard", integer(-1))


def check_capability(name: str, value: Any) -> str:
    """Check the name of a Linux capability, with or without `CAP_`."""
    found = plain_text(name, value).upper().removeprefix("CAP_")  # engines take any case of letters
    if found not in CAPABILITIES.split():
        raise Invalid(name, "InvalidOption", f"{found[:100]!r} is not a capability of Linux, such as NET_ADMIN.")
    return found


def check_signal(name: str, value: Any) -> str:
    """Check the name or number of a signal."""
    found = plain_text(name, value).upper()
    if not re.fullmatch(r"[A-Z0-9+-]{1,32}", found):
        raise Invalid(name, "InvalidCharacters", f"{name}: {found[:40]!r} is not valid: such as SIGTERM.")
    return found


def check_address(name: str, value: Any) -> str:
    """Check an IP address, and write it in its usual form."""
    try:
        return str(ipaddress.ip_address(plain_text(name, value)))
    except ValueError:
        raise Invalid(name, "InvalidFormat", f"{str(value)[:100]!r} is not an IP address.") from None


def check_port(name: str, value: Any) -> Port:
    """Check a port that may be published."""
    return Port.parse(plain_text(name, value), name)


def check_exposed_port(name: str, value: Any) -> Port:
    """Check a port that only other containers reach."""
    found = check_port(name, value)
    if found.public_text or found.address:
        raise Invalid(name, "PortWrongFormat", f"{str(value)[:100]!r}: an exposed port has no public side.")
    return found


def check_volume(name: str, value: Any) -> Mount:
    """Check a mount."""
    return Mount.parse(plain_text(name, value), name)


def host_name(high: int) -> Check:
    """Check a host name of at most `high` characters."""
    return text(low=1, high=high, pattern=r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", hint=NAME_HINT)


COMMAND = list_of(text(high=MAX_VALUE_LENGTH))
IDS = list_of(text(low=1, high=255))
PATH = text(low=1, pattern=r"/.*", code="InvalidFormat", hint="write an absolute path")
BLOCK_DEVICE = text(
    high=255,
    pattern=r"/dev/(?!.*\.\.)[A-Za-z0-9_./:-]+",
    code="InvalidFormat",
    hint="write a path below /dev, such as /dev/sda",
)
DEVICE = text(pattern=r"/[^:]*(:/[^:]*)?(:([rwm]{1,3}|ro))?", code="InvalidFormat", hint="write /dev/a[:/dev/b][:rwm]")
DEVICE_RULE = text(
    pattern=r"[abc] ([0-9]{1,10}|\*):([0-9]{1,10}|\*) (?!.*(.).*\3)[rwm]{1,3}",
    code="InvalidFormat",
    hint="write the type, both numbers and what is allowed, as in c 189:* rwm",
)
CGROUP_PARENT = text(
    low=1,
    high=255,
    pattern=r"(?!.*(^|/)\.\.(/|$))[A-Za-z0-9_.:@/\\-]+",
    hint="write a path such as /batch, or a slice such as batch.slice where systemd keeps them",
)
EXTRA_HOST = text(
    pattern=r"[^:\s]+:(\[?[0-9a-fA-F.:]+\]?|host-gateway)", code="InvalidFormat", hint="write name:address"
)
SIZE = integer(0)
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - as clients say it


def published_twice(ports: Iterable[Port]) -> int | None:
    """A host port that two of them want at one address, where an address that is not said is each; None without."""
    taken: dict[tuple[int, str], set[str]] = defaultdict(set)
    for port in ports:
        if port.public is None:
            continue
        addresses = taken[port.public, port.protocol]
        address = "" if port.address in _EVERY_ADDRESS else port.address
        if address in addresses or "" in addresses or (addresses and not address):
            return port.public
        addresses.add(address)
    return None


def fixed_ports(ports: Iterable[Port]) -> frozenset[tuple[str, int, str]]:
    """The (address, port, protocol) triples that must be free on a host."""
    return frozenset((port.address, port.public, port.protocol) for port in ports if port.public)
