"""Logs side by side, commands in containers, events and figures: what is shown of the portal's sockets."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from corral_cli.errors import ExitCode
from corral_cli.log_time import since_time
from corral_cli.raw_mode import raw_terminal
from corral_cli.sizes import size_text
from corral_cli.terminal import UserTerminal
from tests.cli.command_line import CommandLine, ScriptedSocket
from tests.docker.portal_process import ROOT
from tests.wire.api_client import run_until_idle

AT = "2026-01-31T12:00:0{}Z"


@pytest.fixture
def shop(cli: CommandLine) -> CommandLine:
    """A stack `shop` with one service of two containers."""
    cli.write("docker-compose.yml", "web:\n  image: sim/nginx:1.8\n")
    cli.write("rancher-compose.yml", "web:\n  scale: 2\n")
    cli.succeed("up", "-d", "-s", "shop")
    run_until_idle()
    return cli


def lines(*texts: str, at: int = 0) -> dict[str, Any]:
    return {"type": "lines", "lines": [["stdout", AT.format(at), text] for text in texts]}


def end(reason: str = "") -> dict[str, Any]:
    return {"type": "end", "reason": reason}


def test_logs_of_a_service_are_in_the_order_of_time(shop: CommandLine):
    shop.transport.sockets += [
        ScriptedSocket(lines("second", at=2), end()),
        ScriptedSocket(lines("first", at=1), {"type": "ping"}, lines("third", at=3), end()),
    ]
    found = shop.succeed("logs", "shop/web", "-n", "5", "--since", "1970-01-01T00:01:00Z", "-t")
    shown = [line.split(" | ")[1] for line in found.out.splitlines()]
    assert shown == [f"{AT.format(1)} first", f"{AT.format(2)} second", f"{AT.format(3)} third"]
    sent = [body for method, path, body in found.transport.requests if "action=logs" in path and method == "POST"]
    assert sent == [{"lines": 5, "follow": False}] * 2
    assert all("/ws/logs?token=" in url and "since=1970-01-01T00%3A01%3A00" in url for url in found.transport.opened)


def test_a_log_that_breaks_off_does_not_hide_the_others(shop: CommandLine):
    shop.transport.sockets += [
        ScriptedSocket(lines("whole"), end()),
        ScriptedSocket(lines("half"), reason="the connection broke"),
    ]
    found = shop.succeed("logs", "shop/web", "--follow")
    assert {"whole", "half"} == {line.split(" | ")[1] for line in found.out.splitlines()}
    assert "the connection broke" in found.err


def test_what_is_no_line_of_a_log_is_said_so(shop: CommandLine):
    name = shop.succeed("ps", "-c", "--format", "json").json[0]["name"]
    shop.transport.sockets.append(ScriptedSocket("{"))
    broken = shop.run("logs", name)
    assert (broken.code, "cannot be read" in broken.err) == (ExitCode.FAILED, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T12:00:00.123456789+02:00", "2026-01-31T10:00:00.123456Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
        ("60", "1970-01-01T00:01:00.000000Z"),
        ("1.5", "1970-01-01T00:00:01.500000Z"),
        ("10m", "2026-01-31T11:50:00.000000Z"),
        ("1h30m", "2026-01-31T10:30:00.000000Z"),
        ("2d", "2026-01-29T12:00:00.000000Z"),
        ("", ""),
    ],
)
def test_times_of_logs(text: str, expected: str):
    assert since_time(text, datetime(2026, 1, 31, 12, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["yesterday", "10x", "-5m", "2026-13-01", "99999999d", "999999999999"])
def test_what_is_no_time_is_refused_in_one_line(shop: CommandLine, text: str):
    refused = shop.fail("logs", "shop/web", f"--since={text}")
    assert refused.code == ExitCode.USAGE
    assert refused.err.count("\n") == 1
    assert "how long ago (10m, 2d)" in refused.err
    assert refused.transport.opened == []


def test_logs_of_nothing_are_refused(shop: CommandLine):
    assert shop.fail("logs", "nothing").code == ExitCode.NOT_FOUND
    shop.succeed("scale", "shop/web=0", "--wait")
    assert shop.fail("logs", "shop/web").code == ExitCode.NOT_FOUND


def test_a_command_ends_with_its_exit_code(shop: CommandLine):
    shop.transport.sockets.append(ScriptedSocket(b"\x01hello\n", b"\x02oh\n", {"type": "end", "code": 3}))
    found = shop.run("exec", "shop/web", "--", "sh", "-c", "echo hello; exit 3")
    assert (found.code, found.out, found.err) == (3, "hello\n", "oh\n")
    (body,) = [body for _method, path, body in found.transport.requests if "action=execute" in path]
    assert body == {
        "command": ["sh", "-c", "echo hello; exit 3"],
        "attachStdin": True,
        "attachStdout": True,
        "tty": False,
    }
    assert "/ws/shell?token=" in found.transport.opened[0]


def test_a_command_that_cannot_be_run_is_said_so(shop: CommandLine):
    shop.transport.sockets.append(ScriptedSocket({"type": "end", "code": None, "reason": "no such program"}))
    assert "no such program" in shop.fail("exec", "shop/web", "nothing").err
    shop.transport.sockets.append(ScriptedSocket(reason="the connection broke"))
    assert "the connection broke" in shop.fail("exec", "shop/web").err
    shop.succeed("stop", "shop/web", "--wait")
    assert shop.fail("exec", "shop/web", "true").code == ExitCode.REFUSED


def test_input_is_passed_on_to_its_end(tmp_path: Any):
    """From a pipe: the command has a terminal, whose end of input is a key."""
    stdin = io.TextIOWrapper(io.BytesIO(b"one\ntwo\n"))
    terminal = UserTerminal(io.StringIO(), io.StringIO(), stdin, {})
    connection = ScriptedSocket()
    with raw_terminal(terminal, connection, attach=True, tty=True):
        for _again in range(200_000):
            if connection.sent and connection.sent[-1] == b"\x04":
                break
            sys.stderr.flush()
    assert b"".join(each for each in connection.sent if isinstance(each, bytes)) == b"one\ntwo\n\x04"


def test_input_stays_here_when_it_is_not_attached():
    connection = ScriptedSocket()
    terminal = UserTerminal(io.StringIO(), io.StringIO(), io.StringIO("secret"), {})
    with raw_terminal(terminal, connection, attach=False, tty=True):
        pass
    assert connection.sent == []
    with raw_terminal(terminal, connection, attach=False, tty=False):
        pass
    assert connection.sent == ['{"type": "eof"}']


def test_bytes_of_a_pipe_pass_both_ways_unchanged(shop: CommandLine, tmp_path: Any):
    data = bytes(range(256)) * 300
    stdin = io.TextIOWrapper(io.BytesIO(data))
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    terminal = UserTerminal(out, err, stdin, {})
    connection = ScriptedSocket()
    with raw_terminal(terminal, connection, attach=True, tty=False):
        for _again in range(200_000):
            if connection.sent and isinstance(connection.sent[-1], str):
                break
            sys.stderr.flush()
    assert b"".join(each for each in connection.sent if isinstance(each, bytes)) == data
    assert connection.sent[-1] == '{"type": "eof"}'
    terminal.pass_on(data, is_error=False)
    terminal.pass_on(b"\xff", is_error=True)
    assert (out.buffer.getvalue(), err.buffer.getvalue()) == (data, b"\xff")


@pytest.mark.parametrize(
    ("arguments", "is_attached"),
    [((), True), (("-T",), True), (("-i",), True), (("-t",), False)],
    ids=lambda each: "".join(each) if isinstance(each, tuple) else "",
)
def test_a_pipe_is_read_unless_only_a_terminal_is_meant(
    shop: CommandLine, arguments: tuple[str, ...], is_attached: bool
):
    shop.transport.sockets.append(ScriptedSocket({"type": "end", "code": 0}))
    found = shop.succeed("exec", *arguments, "shop/web", "cat", stdin="x\n")
    (body,) = [body for _method, path, body in found.transport.requests if "action=execute" in path]
    assert body["attachStdin"] is is_attached


WAITING_FOR_INPUT = """
import sys, time
from corral_cli.raw_mode import raw_terminal
from corral_cli.terminal import UserTerminal
class Connection:
    closed, sent = None, b""
    def send(self, data): self.sent += data
connection = Connection()
with raw_terminal(UserTerminal.of_process(), connection, attach=True, tty=False):
    while not connection.sent:
        time.sleep(0.01)
    time.sleep(0.1)  # it waits for more
sys.stdout.write(connection.sent.decode())
sys.exit(3)
"""


def test_a_command_may_end_before_its_input_does():
    reading, writing = os.pipe()
    os.write(writing, b"one")
    program = [sys.executable, "-c", WAITING_FOR_INPUT]
    where = {**os.environ, "PYTHONPATH": str(ROOT / "cli")}
    found = subprocess.run(program, env=where, stdin=reading, capture_output=True, timeout=60, check=False)
    for each in (reading, writing):
        os.close(each)
    assert (found.returncode, found.stdout, found.stderr) == (3, b"one", b"")


def test_a_terminal_is_given_where_people_look_or_say_so(shop: CommandLine):
    def body(*arguments: str, **more: Any) -> Any:
        shop.transport.sockets.append(ScriptedSocket({"type": "end", "code": 0}))
        found = shop.succeed("exec", *arguments, **more)
        (sent,) = [body for _method, path, body in found.transport.requests if "action=execute" in path]
        return sent["tty"]

    assert body("-t", "shop/web", "true")
    assert not body("-i", "shop/web", "cat", stdin="x")
    refused = shop.fail("exec", "-it", "shop/web", "cat", stdin="x")
    assert (refused.code, "leave out --tty" in refused.err) == (ExitCode.USAGE, True)
    assert shop.fail("exec", "-t", "-T", "shop/web", "cat").code == ExitCode.USAGE


def event(kind: str, name: str) -> dict[str, Any]:
    resource = {"type": kind, "id": "1s1", "name": name, "state": "active", "transitioningMessage": None}
    return {"name": "resource.change", "data": {"resource": resource}}


def test_events_are_shown_as_they_come(shop: CommandLine):
    shop.transport.sockets.append(
        ScriptedSocket({"name": "ping"}, event("host", "lab-1"), event("service", "web\x1b"), event("service", "db"))
    )
    found = shop.succeed("events", "--type", "service", "--count", "2")
    assert [line.split("  ")[3] for line in found.out.splitlines()] == ["web?", "db"]
    assert "subscribe?eventNames=resource.change" in found.transport.opened[0]


def test_the_end_of_a_subscription_is_no_success(shop: CommandLine):
    shop.transport.sockets.append(ScriptedSocket(event("service", "web"), reason="going down"))
    found = shop.fail("events", "--format", "json")
    assert json.loads(found.out)["name"] == "web"
    assert (found.code, "going down" in found.err) == (ExitCode.UNREACHABLE, True)


def sample(second: int, cpu: int, memory: int = 3 * 1024 * 1024) -> dict[str, Any]:
    return {
        "timestamp": AT.format(second),
        "cpu": {"usage": {"total": cpu}},
        "memory": {"usage": memory},
        "memLimit": 0,
        "network": {"rx_bytes": 2048, "tx_bytes": 10},
    }


def test_figures_are_the_difference_of_two_samples(shop: CommandLine):
    shop.transport.sockets += [
        ScriptedSocket([sample(0, 0)], [sample(0, 0)], [sample(2, 1_000_000_000)]),
        ScriptedSocket([sample(0, 0), sample(1, 2_000_000_000)]),
    ]
    rows = shop.succeed("stats", "shop", "--format", "json").json
    assert [each["cpu"] for each in rows] == ["50.0%", "200.0%"]
    assert (rows[0]["memory"], rows[0]["received"], rows[0]["sent"]) == ("3.0 MB", "2.0 KB", "10 B")


def test_top_has_the_busiest_first(shop: CommandLine):
    shop.transport.sockets += [
        ScriptedSocket([sample(0, 0), sample(1, 100_000_000)]),
        ScriptedSocket([sample(0, 0), sample(1, 900_000_000)]),
    ]
    rows = shop.succeed("top", "--format", "json", "-n", "1").json
    assert [each["cpu"] for each in rows] == ["90.0%"]


def test_figures_that_do_not_come_are_said_so(shop: CommandLine):
    shop.transport.sockets.append(ScriptedSocket([sample(0, 0)]))
    assert shop.fail("stats", "shop").code == ExitCode.UNREACHABLE
    shop.succeed("stop", "shop/web", "--wait")
    assert shop.fail("stats", "shop").code == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (3 * 1024**3, "3.0 GB"), (1024**4, "1.0 TB")]
)
def test_sizes_are_written_as_people_read_them(size: int, text: str):
    assert size_text(size) == text
