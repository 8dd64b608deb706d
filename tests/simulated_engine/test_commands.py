"""A command in a container begins once, ends once, and never outlives its container."""

from __future__ import annotations

import pytest

from simulated_engine.commands import PROMPT, CommandSession
from simulated_engine.errors import EngineApiError
from tests.simulated_engine.still_engine import StillEngine


def begin(still: StillEngine, *command: str, tty: bool = True) -> tuple[CommandSession, list[bytes]]:
    box = next(iter(still.core.containers), None) or still.run()
    session, output = still.core.commands.create(box, list(command), tty=tty), list[bytes]()
    session.begin(output.append)
    return session, output


def test_a_shell_answers_and_ends_with_its_exit_code(still: StillEngine):
    session, output = begin(still, "sh")
    session.size = (132, 43)
    session.write(b"stty size\rno-such\rexit 7\rnever read")
    assert b"".join(output) == (
        PROMPT + b"stty size\r\n43 132\r\n" + PROMPT + b"no-such\r\nsh: no-such: not found\r\n" + PROMPT + b"exit 7\r\n"
    )
    assert (session.exit_code, output[-1], output.count(b"")) == (7, b"", 1)


@pytest.mark.parametrize(
    ("command", "typed", "code"),
    [
        (["cat"], b"\x04", 0),
        (["cat"], b"\x03", 130),
        (["sh"], b"\x03\x04", 0),
        (["sh"], b"half\x04", None),
        (["sh"], b"'\r", None),
    ],
)
def test_keys_of_a_terminal_end_what_they_end(still: StillEngine, command: list[str], typed: bytes, code: int | None):
    session, _ = begin(still, *command)
    session.write(typed)
    assert session.exit_code == code


def test_a_command_ends_with_its_container_even_if_that_comes_back(still: StillEngine):
    box = still.run(HostConfig={"RestartPolicy": {"Name": "always"}})
    session, output = begin(still, "cat")
    still.core.containers.process_exited(box, 1)
    assert (box.running, session.exit_code, output) == (True, 137, [b""])
    session.write(b"nobody reads it")
    assert output == [b""]


def test_a_command_that_ended_listens_to_its_container_no_more(still: StillEngine):
    session, output = begin(still, "true")
    still.core.containers.stop(session.container)
    assert (session.exit_code, output) == (0, [b""])


def test_what_is_written_to_the_first_process_is_in_the_containers_log(still: StillEngine):
    session, _ = begin(still, "sh", "-c", "echo hello > /proc/1/fd/1")
    assert [record.text for record in session.container.log.lines] == ["hello"]


def test_a_command_begins_once_and_in_a_running_container(still: StillEngine):
    session, _ = begin(still, "cat")
    with pytest.raises(EngineApiError, match="already run"):
        session.begin(lambda _: None)
    late = still.core.commands.create(session.container, ["true"], tty=False)
    still.core.containers.stop(session.container)
    with pytest.raises(EngineApiError, match="is not running"):
        late.begin(lambda _: None)
    assert late.details()["Running"] is False


def test_the_oldest_commands_are_forgotten(still: StillEngine):
    box = still.run()
    sessions = [still.core.commands.create(box, ["true"], tty=False) for _ in range(257)]
    assert still.core.commands.get(sessions[1].id) is sessions[1]
    with pytest.raises(EngineApiError, match="No such exec instance"):
        still.core.commands.get(sessions[0].id)
