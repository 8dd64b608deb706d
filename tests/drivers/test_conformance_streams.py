"""Logs, commands, events and statistics are the same on every kind of engine."""

from __future__ import annotations

import threading
import time

import pytest

from apps.drivers.base import Driver, EngineDown, EngineNotFound, EngineRefused
from apps.drivers.exec_calls import ExecRequest
from tests.drivers.conformance import (
    collected,
    make,
    read_until_contains,
    read_until_end,
    wait_until,
    write_log,
)


def test_logs_come_with_times_and_from_the_end(driver: Driver) -> None:
    made = make(driver, Cmd=["sh", "-c", "echo one; echo two; echo three"])
    wait_until(lambda: driver.inspect(made).state == "exited")
    lines = list(driver.logs(made, follow=False, tail=None))
    assert [(line.stream, line.text) for line in lines] == [("stdout", t) for t in ("one", "two", "three")]
    assert lines[0].at < lines[2].at
    assert [line.text for line in driver.logs(made, follow=False, tail=2)] == ["two", "three"]
    assert [line.text for line in driver.logs(made, follow=False, tail=0)] == []
    assert [line.text for line in driver.logs(made, follow=False, since=lines[1].at)] == ["three"]
    assert [line.text for line in driver.logs(made, follow=False, until=lines[1].at)] == ["one"]
    # The tail is cut first: the reason why older pages are asked for with a tail that reaches over the newer lines.
    assert [line.text for line in driver.logs(made, follow=False, tail=1, until=lines[2].at)] == []
    assert [line.text for line in driver.logs(made, follow=False, tail=2, until=lines[2].at)] == ["two"]


def test_a_time_that_is_none_is_refused(driver: Driver) -> None:
    with pytest.raises(EngineRefused, match="is not a time"):
        driver.logs(make(driver), since="yesterday")


def test_followed_logs_go_on_and_end_with_the_container(driver: Driver) -> None:
    made = make(driver)
    with collected(driver.logs(made)) as lines:
        write_log(driver, made, "hello")
        wait_until(lambda: [line.text for line in lines] == ["hello"])
        resumed = driver.logs(made, since=lines[0].at)
        write_log(driver, made, "again")
        assert next(iter(resumed)).text == "again"
        resumed.close()
        driver.kill(made)
        wait_until(lambda: [line.text for line in lines] == ["hello", "again"])


def test_a_terminal_makes_one_stream(driver: Driver) -> None:
    made = make(driver, Tty=True, Cmd=["sh", "-c", "echo one; echo two"])
    wait_until(lambda: driver.inspect(made).state == "exited")
    assert [(line.stream, line.text) for line in driver.logs(made, follow=False)] == [("tty", "one"), ("tty", "two")]


def test_a_closed_log_wakes_its_reader(driver: Driver) -> None:
    made = make(driver)
    with collected(driver.logs(made)) as lines:
        pass
    assert lines == []


def test_keys_and_size_reach_a_shell_and_its_exit_code_comes_back(driver: Driver) -> None:
    session = driver.exec(make(driver), ["sh"])
    read_until_contains(session, b"/ # ")
    session.resize(132, 43)
    session.write(b"stty size\r")
    read_until_contains(session, b"43 132")
    assert session.exit_code() is None
    session.write(b"exit 7\r")
    read_until_end(session)
    assert session.exit_code() == 7
    with pytest.raises(EngineDown, match="no more input"):
        session.write(b"x")
    session.close()


def test_the_keys_that_leave_a_terminal_go_to_the_program(driver: Driver) -> None:
    """An engine left to itself keeps a Ctrl-P back until the next key, and ends the session at Ctrl-P Ctrl-Q."""
    session = driver.exec(make(driver), ["cat"])
    got = bytearray()

    def read() -> None:
        for piece in iter(session.read, b""):
            got.extend(piece)

    threading.Thread(target=read, daemon=True).start()
    session.write(b"\x10")
    wait_until(lambda: bool(got))  # the terminal shows it: ^P
    session.write(b"\x11")
    session.write(b"still here\r")
    wait_until(lambda: got.count(b"still here") == 2)  # as typed, and from cat
    session.close()


def test_output_without_a_terminal_is_what_was_written(driver: Driver) -> None:
    session = driver.exec(make(driver), ["echo", "out", "and out"], tty=False)
    assert read_until_end(session) == b"out and out\n"
    assert session.exit_code() == 0
    session.close()


def test_input_comes_back_from_cat(driver: Driver) -> None:
    session = driver.exec(make(driver), ["cat"], tty=False)
    payload = bytes(range(256)) * 512
    threading.Thread(target=session.write, args=(payload,), daemon=True).start()
    got = b""
    while len(got) < len(payload):
        got += session.read()
    assert got == payload
    session.close()


def test_the_end_of_the_input_ends_what_reads_it(driver: Driver) -> None:
    session = driver.exec(make(driver), ["cat"], tty=False)
    payload = bytes(range(256)) * 512
    session.write(payload)
    session.end_input()
    pieces = list(iter(session.read_stream, ("stdout", b"")))
    assert {stream for stream, _data in pieces} == {"stdout"}
    assert b"".join(data for _stream, data in pieces) == payload
    assert session.exit_code() == 0
    session.close()


def test_an_unknown_command_ends_with_words(driver: Driver) -> None:
    session = driver.exec(make(driver), ["no-such-command"])
    assert b"executable file not found" in read_until_end(session)
    assert session.exit_code() == 126
    session.close()


def test_a_closed_session_wakes_its_reader(driver: Driver) -> None:
    session = driver.exec(make(driver), ["cat"])
    reader = threading.Thread(target=read_until_end, args=(session,), daemon=True)
    reader.start()
    session.close()
    reader.join(5)
    assert not reader.is_alive()


def test_a_session_ends_with_its_container(driver: Driver) -> None:
    made = make(driver)
    session = driver.exec(made, ["cat"])
    driver.kill(made)
    read_until_end(session)
    session.close()


def test_events_tell_a_life_and_its_end(driver: Driver) -> None:
    with collected(driver.events()) as events:
        made = make(driver, Labels={"team": "red"})
        driver.kill(made)
        driver.remove(made)
        wait_until(lambda: "destroy" in {event.action for event in events})
    mine = [event for event in events if event.kind == "container" and event.id == made]
    assert [event.action for event in mine] == ["create", "start", "kill", "die", "destroy"]
    assert mine[3].attributes["exitCode"] == "137"
    assert all(event.attributes["team"] == "red" and event.attributes["name"] == "web" for event in mine)
    assert abs(mine[0].at - time.time()) < 60


def test_events_of_the_past_are_replayed(driver: Driver) -> None:
    before = time.time()
    made = make(driver, start=False)
    with collected(driver.events(since=before - 0.001)) as events:
        wait_until(lambda: (made, "create") in {(event.id, event.action) for event in events})


def test_statistics_come_while_a_container_runs_and_end_with_it(driver: Driver) -> None:
    made = make(driver)
    with collected(driver.stats(made)) as samples:
        wait_until(lambda: len(samples) >= 2)
        driver.kill(made)
        wait_until(lambda: driver.inspect(made).state == "exited")
        time.sleep(0.1)
    first, second = samples[:2]
    assert second.at > first.at
    assert second.cpu_ns >= first.cpu_ns
    assert 0 < first.memory < first.memory_limit
    assert first.cpus > 0
    assert first.pids > 0
    assert list(driver.stats(made)) == []


def test_the_machine_has_statistics_of_its_own(driver: Driver) -> None:
    make(driver)
    with collected(driver.host_stats()) as samples:
        wait_until(lambda: len(samples) >= 2)
    assert samples[1].at > samples[0].at
    assert 0 < samples[0].memory < samples[0].memory_limit


def test_everything_is_measured_in_one_go(driver: Driver) -> None:
    up, off = make(driver), make(driver, "off", start=False)
    found = driver.measure()
    assert found.machine is not None
    assert found.containers[up].memory > 0
    assert found.containers[up].cpus > 0
    assert off not in found.containers


def test_a_command_is_created_first_and_run_later(driver: Driver) -> None:
    made = make(driver)
    key = driver.exec_create(made, ExecRequest(("echo", "hello"), tty=False))
    before = driver.exec_inspect(key)
    assert (before.container_id, before.command, before.tty) == (made, ("echo", "hello"), False)
    assert (before.running, before.exit_code, before.privileged) == (False, None, False)
    session = driver.exec_start(key, tty=False)
    assert read_until_end(session) == b"hello\n"
    assert session.exit_code() == 0
    wait_until(lambda: driver.exec_inspect(key).exit_code == 0)
    session.close()


def test_a_created_command_has_a_terminal_of_its_size(driver: Driver) -> None:
    key = driver.exec_create(make(driver), ExecRequest(("sh",)))
    session = driver.exec_start(key, tty=True)
    read_until_contains(session, b"/ # ")
    driver.exec_resize(key, 132, 43)
    session.write(b"stty size\r")
    read_until_contains(session, b"43 132")
    session.close()


def test_a_detached_command_runs_without_a_connection(driver: Driver) -> None:
    key = driver.exec_create(make(driver), ExecRequest(("sh", "-c", "exit 3"), tty=False))
    driver.exec_start_detached(key)
    wait_until(lambda: driver.exec_inspect(key).exit_code == 3)


def test_an_unknown_command_is_not_found(driver: Driver) -> None:
    with pytest.raises(EngineNotFound):
        driver.exec_inspect("f" * 64)


def test_what_a_container_writes_is_read_by_whom_is_attached(driver: Driver) -> None:
    made = make(driver)
    session = driver.attach(made, tty=False)
    got: list[tuple[str, bytes]] = []
    reader = threading.Thread(target=lambda: got.append(session.read_stream()), daemon=True)
    reader.start()
    write_log(driver, made, "hello")
    reader.join(30)
    assert got == [("stdout", b"hello\n")]
    session.close()
    assert driver.inspect(made).state == "running", "to let go leaves the process alone"
