"""The readiness page: what it says to whom, and that it hands the socket over without losing anybody."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portal.boot.readiness import ReadinessServer, build_response


@contextmanager
def waiting_room() -> Iterator[tuple[socket.socket, ReadinessServer]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        room = ReadinessServer(listener)
        room.open()
        try:
            yield listener, room
        finally:
            room.close()


def send_request(listener: socket.socket, request: bytes) -> bytes:
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def head_and_body(reply: bytes) -> tuple[str, str]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def test_people_get_a_page_that_reloads_itself():
    head, body = head_and_body(
        build_response(b"GET / HTTP/1.1\r\nAccept: text/html,*/*\r\n\r\n", "Preparing <the> database")
    )
    assert head.startswith("HTTP/1.1 503 ")
    assert "Retry-After: 1" in head
    assert 'http-equiv="refresh"' in body
    assert "Preparing &lt;the&gt; database" in body
    assert f"Content-Length: {len(body.encode())}" in head


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v1/projects HTTP/1.1\r\nAccept: application/json\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nAccept: text/html\r\n\r\n",
        b"POST /v1/projects HTTP/1.1\r\n\r\n",
    ],
)
def test_programs_and_probes_get_the_error_as_json(request_head: bytes):
    head, body = head_and_body(build_response(request_head, "Loading"))
    assert "Content-Type: application/json" in head
    assert json.loads(body) == {
        "type": "error",
        "status": 503,
        "code": "Starting",
        "message": "Corral is starting",
        "detail": "Loading",
    }


def test_a_head_request_gets_no_body():
    head, body = head_and_body(build_response(b"HEAD / HTTP/1.1\r\n\r\n", "Loading"))
    assert head.startswith("HTTP/1.1 503 ")
    assert body == ""


def test_a_client_that_says_nothing_does_not_keep_others_waiting():
    with waiting_room() as (listener, _), socket.create_connection(listener.getsockname()):
        assert send_request(listener, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def test_a_body_still_on_its_way_does_not_lose_the_answer():
    with waiting_room() as (listener, _):
        reply = send_request(listener, b"POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000)
        assert reply.startswith(b"HTTP/1.1 503 ")


def test_who_connects_after_the_room_closed_waits_for_the_next_listener():
    with waiting_room() as (listener, room):
        send_request(listener, b"GET / HTTP/1.1\r\n\r\n")
        room.close()
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"hello")
            listener.settimeout(5)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                assert connection.recv(5) == b"hello"


def test_a_room_that_never_opened_can_be_closed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        room = ReadinessServer(listener)
        room.close()
        assert listener.fileno() != -1
