"""Whatever reads a text from outside takes steps in proportion to its length, and refuses what it does not like.

A step is a line of Python that is executed; `test_patterns.py` counts those of patterns.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from apps.accounts.claims import normalize_dn
from apps.api.wire.input import load_strict_json
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import Mount, Port, check_image
from apps.containers.streams import parse_command
from apps.core.addresses import client_behind_proxies, parse_networks
from apps.core.errors import Problem
from apps.core.ids import row_key
from apps.core.read_budgets import OverBudget
from apps.core.redact import redact
from apps.core.secret_fields import find_secrets
from apps.drivers.base import EngineRefused
from apps.drivers.docker.frames import FrameDecoder
from apps.drivers.docker.http_message import ChunkedDecoder, split_head
from apps.drivers.docker.logs import LogAssembler
from apps.drivers.ssh.address import parse_ssh_url
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.compose import interpolation, value_formats
from apps.stacks.compose.parser import parse
from apps.stacks.compose.yaml_loader import load_yaml
from apps.vault.acme.request import check_names
from apps.vault.pem import MAX_TEXT, read_blocks
from corral_agent.engine_proxy import http_head
from corral_agent.engine_proxy.path import split_target
from corral_agent.names import packet
from corral_agent.names.upstream import servers_of

MAX_GROWTH = 2.5
SHORT = 100
FEW_STEPS = 20  # for each repetition: a parser that stops early has a ratio, but no cost

_REPEATED = (
    *(
        " ",
        "a",
        "\n",
        "\0",
        "1",
        ",",
        ":",
        "=",
        "/",
        '"',
        "'",
        "$",
        "${",
        "${a",
        "${a:-",
        "$$",
        "{",
        "-----BEGIN A-----",
        "[",
        "}",
        "- ",
        "? ",
    ),
    *("a: ", "a:\n", "&a ", "*a ", "a=b ", "a,b", "1-2,", "1:2:"),
)
TEXTS: dict[str, Callable[[int], str]] = {
    **{repr(each): functools.partial(str.__mul__, each) for each in _REPEATED},
    "blanks between": lambda n: "a" + " " * n + "b",
    "a secret": lambda n: "password=" * n,
    "half a list": lambda n: '{"a":[' * n,
    "nested maps": lambda n: '{"a":' * n + "1" + "}" * n,
    "nested lists": lambda n: "[" * n + "]" * n,
    "many keys": lambda n: "\n".join(f"k{number}: v" for number in range(n)),
    "many services": lambda n: "\n".join(f"s{number}: {{image: i, ports: ['{number + 1}']}}" for number in range(n)),
    "aliases": lambda n: "a: &a {b: c}\n" + "\n".join(f"k{number}: *a" for number in range(n)),
    "merges": lambda n: "a: &a {b: c}\n" + "\n".join(f"k{number}: {{<<: *a}}" for number in range(n)),
    "headers": lambda n: "GET / HTTP/1.1\r\n" + "a: b\r\n" * n,
    "blank header": lambda n: "GET / HTTP/1.1\r\na: " + " " * n + "\0\r\n\r\n",
    "chunks": lambda n: "1\r\na\r\n" * n,
    "lines": lambda n: "2024-01-01T00:00:00Z x\n" * n,
    "slashes": lambda n: "/a" * n,
    "dots": lambda n: "/.." * n,
    "escapes": lambda n: "/%2e%2e" * n,
}

_QUESTION = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0)
_ANSWER = struct.pack("!HHHHHH", 1, 0x8180, 1, 65_535, 65_535, 65_535)

READERS: dict[str, Callable[[str], Any]] = {
    "identity": row_key,
    "name in a directory": normalize_dn,
    "JSON body": load_strict_json,
    "YAML": lambda text: load_yaml(text, "f"),
    "typed YAML": lambda text: load_yaml(text, "f", typed=True),
    "compose": parse,
    "rancher-compose": lambda text: parse("a:\n  image: i\n", text),
    "variables": lambda text: interpolation.Variables({"a": "b"}, "f").fill(text),
    "size": value_formats.parse_size,
    "duration": value_formats.parse_milliseconds,
    "processors": value_formats.parse_nano_cpus,
    "command": value_formats.split_command,
    "shell command": parse_command,
    "map": value_formats.as_map,
    "ports": lambda text: list(value_formats.expand_ports(text)),
    "port": Port.parse,
    "target of a balancer": TargetPort.parse,
    "volume": Mount.parse,
    "image": lambda text: check_image("imageUuid", text),
    "labels": lambda text: LaunchConfig.from_wire({"imageUuid": "docker:a", "labels": {text[:1000]: text}}),
    "networks": lambda text: parse_networks("f", text.split(",")),
    "forwarded": lambda text: client_behind_proxies("192.0.2.1", text, ["192.0.2.0/24"]),
    "SSH address": lambda text: parse_ssh_url(f"ssh://{text}"),
    "redaction": lambda text: redact({"a": text, "env": text, "list": text.split(",")}),
    "secrets": lambda text: list(find_secrets({"env": text})),
    "PEM": lambda text: read_blocks("f", text[:MAX_TEXT]),
    "host names": lambda text: check_names("f", [text, *text.split()[:10]]),
    "engine's head": lambda text: split_head(text.encode() + b"\r\n\r\n"),
    "engine's chunks": lambda text: ChunkedDecoder().feed(text.encode()),
    "engine's frames": lambda text: list(FrameDecoder().feed(text.encode())),
    "log lines": lambda text: list(LogAssembler("stdout").feed(text.encode())),
    "agent's head": lambda text: http_head.parse_request(text.encode()),
    "agent's path": split_target,
    "question of DNS": lambda text: packet.parse_question(_QUESTION + text.encode()),
    "labels of DNS": lambda text: packet.parse_question(_QUESTION + b"\1a" * min(len(text), 1000)),
    "answer of DNS": lambda text: list(packet.records_of(_ANSWER + text.encode())),
    "name servers": servers_of,
}
REFUSALS = (Problem, ValueError, http_head.BadMessage, OverBudget, EngineRefused)


def steps(read: Callable[[str], Any], text: str) -> int:
    """How many lines of Python run; a refusal is an answer, any other exception is not."""
    count = 0

    def trace(_frame: FrameType, event: str, _value: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(text)
    except REFUSALS:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_is_about_twice_the_work(name: str):
    read = READERS[name]
    read_warm = TEXTS["' '"](1)
    steps(read, read_warm)  # what is computed once, at the first call
    for what, make in TEXTS.items():
        few, many = (steps(read, make(times)) for times in (SHORT, 2 * SHORT))
        assert many <= MAX_GROWTH * few or many <= FEW_STEPS * 2 * SHORT, f"{name}: {what}: {few} -> {many} steps"


@pytest.mark.parametrize("name", READERS)
def test_what_is_nested_deeper_than_the_stack_is_refused(name: str):
    for pump in ("[", '{"a":', "{a: ", "${a:-", "- "):
        steps(READERS[name], pump * 2_000)


def test_the_count_finds_what_is_not_linear():
    def quadratic(text: str) -> None:
        for at in range(len(text)):
            for _ in text[at:]:
                pass

    few, many = (steps(quadratic, "a" * times) for times in (SHORT, 2 * SHORT))
    assert many > MAX_GROWTH * few
