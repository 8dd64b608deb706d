"""The rules about log drivers: which may be used, which options they have, and where these may lead."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from apps.containers.policy.rules import Policy, matches
from apps.containers.policy.storage import check_bind

_ATTRIBUTES = "labels labels-regex env env-regex tag"
_FILES = "max-size max-file compress"
_EVERY_DRIVER = "mode max-buffer-size"

# What engines 20.10 to 28 document for their own drivers; an option that is not here is refused by the rules.
DRIVER_OPTIONS: Mapping[str, frozenset[str]] = {
    name: frozenset(f"{words} {_EVERY_DRIVER}".split())
    for name, words in {
        "none": "",
        "local": _FILES,
        "json-file": f"{_FILES} {_ATTRIBUTES}",
        "journald": _ATTRIBUTES,
        "syslog": f"syslog-address syslog-facility syslog-tls-ca-cert syslog-tls-cert syslog-tls-key "
        f"syslog-tls-skip-verify syslog-format {_ATTRIBUTES}",
        "gelf": f"gelf-address gelf-compression-type gelf-compression-level gelf-tcp-max-reconnect "
        f"gelf-tcp-reconnect-delay {_ATTRIBUTES}",
        "fluentd": f"fluentd-address fluentd-async fluentd-async-connect fluentd-async-reconnect-interval "
        f"fluentd-buffer-limit fluentd-max-retries fluentd-read-timeout fluentd-request-ack fluentd-retry-wait "
        f"fluentd-sub-second-precision fluentd-write-timeout {_ATTRIBUTES}",
        "splunk": f"splunk-token splunk-url splunk-source splunk-sourcetype splunk-index splunk-capath splunk-caname "
        f"splunk-insecureskipverify splunk-format splunk-verify-connection splunk-gzip splunk-gzip-level "
        f"splunk-index-acknowledgment {_ATTRIBUTES}",
        "awslogs": "awslogs-region awslogs-endpoint awslogs-group awslogs-stream awslogs-create-group "
        "awslogs-create-stream awslogs-datetime-format awslogs-multiline-pattern awslogs-credentials-endpoint "
        "awslogs-force-flush-interval-seconds awslogs-max-buffered-events awslogs-format tag",
        "gcplogs": "gcp-project gcp-log-cmd gcp-meta-zone gcp-meta-name gcp-meta-id labels labels-regex env env-regex",
        "logentries": "logentries-token line-only labels labels-regex env env-regex tag",
    }.items()
}
_FILE_OPTIONS = frozenset({"syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "splunk-capath"})
_ADDRESS_OPTIONS = frozenset(
    {"syslog-address", "gelf-address", "fluentd-address", "splunk-url", "awslogs-endpoint"}
    | {"awslogs-credentials-endpoint"}
)
_ENGINES_OWN_DRIVER = DRIVER_OPTIONS["json-file"]  # which one that is the engine decides: none of these leads anywhere
_FLUENTD_DEFAULT = "tcp://localhost:24224"
_FILE_SCHEMES = frozenset({"unix", "unixgram", "unixpacket", "file"})
_SERVICE_SCHEMES = frozenset({"tcp", "udp", "tcp+tls", "tls", "http", "https"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Anything else in braces is a program: {{"\r\n"}} and {{.Command}} write the lines of whatever protocol one likes.
_PLAIN_TAG = re.compile(r"(?:[^{}]|\{\{ ?\.(?:ID|FullID|Name|ImageID|ImageFullID|ImageName|DaemonName) ?\}\})*")


def has_control_characters(text: str) -> bool:
    """Whether a text holds characters that could end the line which a log driver writes."""
    return bool(_CONTROL.search(text))


def check_log(policy: Policy, value: Mapping[str, Any]) -> Iterator[str]:
    """Check a log driver and its options; what engines take in any case of letters is compared so."""
    driver = str(value.get("Type") or "").lower()
    options = {str(name): str(text) for name, text in (value.get("Config") or {}).items()}
    if driver and not matches(policy.log_drivers, driver):
        yield f"the log driver {driver[:60]!r} may not be used"
    for name, text in options.items():
        if has_control_characters(name) or has_control_characters(text):
            yield f"{name[:60]!r} must not contain control characters"
        else:
            yield from _check_option(policy, driver, name, text)
    if driver == "fluentd" and not options.get("fluentd-address"):
        yield from _check_address(policy, "fluentd-address", _FLUENTD_DEFAULT)


def _check_option(policy: Policy, driver: str, name: str, text: str) -> Iterator[str]:
    known = DRIVER_OPTIONS.get(driver, frozenset()) if driver else _ENGINES_OWN_DRIVER
    if name in _FILE_OPTIONS:
        yield from check_bind(policy, text)
    elif name in _ADDRESS_OPTIONS:
        yield from _check_address(policy, name, text)
    elif name not in known:
        if not policy.bind_mounts:
            yield f"the log driver {driver or 'of the engine'!r} has no option {name[:60]!r} that may be set"
    elif name == "tag" and not (policy.host_network or _PLAIN_TAG.fullmatch(text)):
        yield "a tag may hold the fields ID, FullID, Name, ImageID, ImageFullID, ImageName and DaemonName only"


def _check_address(policy: Policy, name: str, text: str) -> Iterator[str]:
    """Check where an engine is to send output: its own machine is the host, and a name may lead there as well."""
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        host = parts.hostname or ""
    except ValueError:
        yield f"{name} is not an address"
        return
    if parts.scheme in _FILE_SCHEMES:
        yield from check_bind(policy, parts.netloc + parts.path)
    elif policy.host_network:
        return
    elif parts.scheme not in _SERVICE_SCHEMES:
        yield f"{name} must begin with tcp://, udp:// or tcp+tls://"
    elif not _is_elsewhere(host):
        yield f"{name} must be the IP address of another machine, because a name may lead to the host itself"


def _is_elsewhere(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return not (plain.is_loopback or plain.is_unspecified or plain.is_link_local or plain.is_multicast)
