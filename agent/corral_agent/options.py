"""The agent's options, from its arguments and its environment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from corral_agent import VERSION

DEFAULT_STATE, DEFAULT_SOCKET = "/var/lib/rancher/corral", "/var/run/docker.sock"
_TRUE_VALUES, _FALSE_VALUES = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class BadOption(Exception):
    """An argument or variable that cannot be used; `str()` says which, why and what to write."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `url` is the registration URL ("" when the host is registered already)."""

    url: str = field(repr=False, default="")
    state: Path = Path(DEFAULT_STATE)
    socket: str = DEFAULT_SOCKET
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ca: str = ""
    read_only: bool = False
    network: bool = True
    system: bool = False
    portal_key: str = ""
    simulate: int = 0
    name: str = "sim"
    control: str = ""


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The options from both. Raises `BadOption`; exits where argparse does."""
    found = _parser().parse_args(arguments)
    values = {key: value.strip() for key, value in environment.items()}
    if found.url:
        _check_url(found.url)
    if not 0 <= found.simulate <= 1000:
        raise BadOption("--simulate takes 1 to 1000 agents in one process.")
    if found.system and not values.get("CORRAL_PORTAL_KEY"):
        raise BadOption("--system needs the portal's public key in CORRAL_PORTAL_KEY: the portal starts it so itself.")
    return Options(
        url=found.url,
        state=Path(values.get("CORRAL_STATE") or DEFAULT_STATE),
        socket=(values.get("DOCKER_SOCKET") or DEFAULT_SOCKET).removeprefix("unix://"),
        address=values.get("CATTLE_AGENT_IP", ""),
        labels=parse_labels(values.get("CATTLE_HOST_LABELS", "")),
        ca=values.get("CORRAL_CA", ""),
        read_only=values.get("CORRAL_READ_ONLY", "").lower() in _TRUE_VALUES,
        network=values.get("CORRAL_NETWORK", "").lower() not in _FALSE_VALUES,
        system=found.system,
        portal_key=values.get("CORRAL_PORTAL_KEY", ""),
        simulate=found.simulate,
        name=found.name,
        control=found.control,
    )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_complete = (
            bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
        )
    except ValueError:
        raise BadOption("The registration URL names no host or port: copy the command from the portal.") from None
    if parts.scheme not in {"http", "https"}:
        raise BadOption("The registration URL must begin with http:// or https://: copy the command from the portal.")
    if not is_complete:
        raise BadOption("The registration URL names no host or port: copy the command from the portal.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("corral_agent", description="Connect this host to a Corral portal.")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--system", action="store_true", help="run as the portal's system container")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="run N simulated hosts in this process")
    parser.add_argument("--name", default="sim", help="the name of simulated hosts (NAME-1, NAME-2, ...)")
    parser.add_argument("--control", default="", metavar="PATH", help="a socket that takes failure commands")
    parser.add_argument("url", nargs="?", default="", help="the registration URL that the portal shows")
    return parser


def parse_labels(text: str) -> dict[str, str]:
    """`a=b&c=d` as a dictionary. Raises `BadOption`."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=100))
    except ValueError:
        raise BadOption("CATTLE_HOST_LABELS is not understood: write it as 'name=value&other=value'.") from None
