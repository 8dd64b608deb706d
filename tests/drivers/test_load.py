"""Archives on their way into an engine: sent in chunks, waited for, and never taken for arrived when they are not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.base import (
    Endpoint,
    EngineDown,
    EngineError,
    EngineRefused,
)
from apps.drivers.docker import image_archive, streams
from apps.drivers.docker.image_archive import load_archive

LOADED = json.dumps({"stream": "Loaded image: app:1\n"}).encode() + b"\r\n"


def chunked(*bodies: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies) + b"0\r\n\r\n"


def plain(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class LoadEngine:
    """Takes one request to its end, or only `takes` bytes of it, and says one thing."""

    def __init__(self, folder: Path, answer_bytes: bytes, takes: int | None = None) -> None:
        self.endpoint = Endpoint(f"unix://{folder}/e.sock")
        self.received = b""
        self._answer_bytes, self._takes = answer_bytes, takes
        self._server_socket = socket.socket(socket.AF_UNIX)
        self._server_socket.bind(f"{folder}/e.sock")
        self._server_socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        line, _ = self._server_socket.accept()
        with line, contextlib.suppress(OSError):  # who asks may have left
            while not self._has_all() and (piece := line.recv(65536)):
                self.received += piece
            line.sendall(self._answer_bytes)

    def _has_all(self) -> bool:
        return self.received.endswith(b"\r\n0\r\n\r\n") if self._takes is None else len(self.received) >= self._takes

    def end(self) -> None:
        self._thread.join(5)
        self._server_socket.close()

    @property
    def archive(self) -> bytes:
        """What came in its chunks."""
        rest, whole = self.received.partition(b"\r\n\r\n")[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return whole


ServeEngine = Callable[..., LoadEngine]


@pytest.fixture
def serve_engine(tmp_path: Path) -> Iterator[ServeEngine]:
    made: list[LoadEngine] = []

    def make(answer_bytes: bytes, takes: int | None = None) -> LoadEngine:
        made.append(LoadEngine(tmp_path, answer_bytes, takes))
        return made[-1]

    yield make
    for engine in made:
        engine.end()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"one"],
        [b"one", b"two", b"three"],
        [b"", b"one", b"", b"two", b""],
        [b"x" * 300_000],
        [b"0\r\n\r\n", b"\r\n", b"5\r\n"],
        [bytes(range(256))],
    ],
    ids=["one", "three", "empty ones", "a large one", "what looks like an end", "every byte"],
)
def test_an_archive_arrives_as_it_was(serve_engine: ServeEngine, pieces: list[bytes]) -> None:
    engine = serve_engine(chunked(LOADED))
    load_archive(engine.endpoint, "/v1.41/images/load?quiet=1", iter(pieces))
    engine.end()
    assert engine.archive == b"".join(pieces)
    assert engine.received.startswith(b"POST /v1.41/images/load?quiet=1 HTTP/1.1\r\n")
    assert b"Content-Type: application/x-tar\r\n" in engine.received


@pytest.mark.parametrize(
    "answer_bytes",
    [
        chunked(LOADED),
        chunked(b'{"status":"Loading layer"}\r\n', LOADED, b'{"stream":"Loaded image ID: x"}\r\n'),
        chunked(LOADED[:14], LOADED[14:]),
        chunked(*(bytes([byte]) for byte in LOADED)),
        chunked(LOADED).replace(b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked"),
        plain(LOADED),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LOADED,
        plain(b'{"stream":"Loaded image ID: sha256:1"}'),
    ],
    ids=[
        "its last word",
        "among others",
        "cut over two chunks",
        "byte by byte",
        "in small letters",
        "with a length",
        "until the end",
        "without a name",
    ],
)
def test_the_engines_last_word_counts(serve_engine: ServeEngine, answer_bytes: bytes) -> None:
    load_archive(serve_engine(answer_bytes).endpoint, "/images/load", [b"tar"])


@pytest.mark.parametrize(
    ("answer_bytes", "kind", "words"),
    [
        (chunked(b'{"status":"Loading layer"}\r\n'), EngineError, "stopped in the middle of loading"),
        (plain(b""), EngineError, "stopped in the middle"),
        (plain(b'["Loaded image"]'), EngineError, "stopped in the middle"),
        (chunked(b'{"error":"no space left on device"}\r\n'), EngineError, "no space left on device"),
        (chunked(b'{"error":"x","errorDetail":{"message":"unexpected EOF"}}\r\n'), EngineError, "unexpected EOF"),
        (chunked(b'{"error":"bad","errorDetail":{"code":400,"message":"bad tar"}}\r\n'), EngineRefused, "bad tar"),
        (chunked(LOADED, b'{"error":"disk full"}\r\n'), EngineError, "disk full"),
        (plain(b'{"message":"no archive"}', b"400 Bad"), EngineRefused, "no archive"),
        (chunked(b'{"error":"no sp', b'ace left"}\r\n'), EngineError, "no space left"),
        (chunked(LOADED).replace(b"0\r\n\r\n", b"!\r\n"), EngineDown, "does not answer in HTTP"),
        (chunked(b'{"message":"bad tar"}').replace(b"200 OK", b"400 Bad"), EngineRefused, "bad tar"),
        (plain(b'{"message":null}', b"500 Oops"), EngineError, "HTTP status 500 and no reason"),
        (plain(b"", b"503 Away"), EngineDown, "503"),
        (b"", EngineDown, "cannot be reached|ended|closed"),
    ],
)
def test_what_went_wrong_is_reported_by_the_engine(
    serve_engine: ServeEngine, answer_bytes: bytes, kind: type[EngineError], words: str
) -> None:
    with pytest.raises(kind, match=words) as error:
        load_archive(serve_engine(answer_bytes).endpoint, "/images/load", [b"tar"])
    assert type(error.value) is kind


def test_an_engine_that_refuses_before_it_has_it_all_is_heard(serve_engine: ServeEngine) -> None:
    answer_bytes = plain(b'{"message":"This agent only lets the portal read."}', b"403 No")
    engine = serve_engine(answer_bytes, takes=1)
    with pytest.raises(EngineError, match="only lets the portal read"):
        load_archive(engine.endpoint, "/images/load", (b"x" * 65536 for _ in range(2)))


@pytest.mark.parametrize("left", [0, 1, 2])
def test_its_refusal_is_heard_wherever_it_hung_up(serve_engine: ServeEngine, left: int) -> None:
    engine = serve_engine(plain(b'{"message":"This agent only lets the portal read."}', b"403 No"), takes=1)

    def pieces_after_it_left() -> Iterator[bytes]:
        engine.end()
        yield from [b"x"] * left

    with pytest.raises(EngineError, match="only lets the portal read"):
        load_archive(engine.endpoint, "/images/load", pieces_after_it_left())


def test_an_engine_that_hangs_up_in_the_middle_is_down(
    serve_engine: ServeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_archive, "UNPACK_TIMEOUT", 2.0)
    engine = serve_engine(b"", takes=1)
    with pytest.raises(EngineDown):
        load_archive(engine.endpoint, "/images/load", (b"x" * 65536 for _ in range(500)))


def test_an_engine_that_is_not_there_is_down(tmp_path: Path) -> None:
    with pytest.raises(EngineDown, match="cannot be reached"):
        load_archive(Endpoint(f"unix://{tmp_path}/none.sock"), "/images/load", [b"tar"])


def test_what_keeps_the_archive_from_coming_is_reported_and_the_engine_left(serve_engine: ServeEngine) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise EngineError("the other engine stopped")

    engine = serve_engine(b"", takes=10**9)
    with pytest.raises(EngineError, match="the other engine stopped"):
        load_archive(engine.endpoint, "/images/load", broken())
    engine.end()
    assert not engine.received.endswith(b"0\r\n\r\n"), "half an archive gets no end"


class Body:
    """A reply's body, line by line."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = lines

    def lines(self) -> Iterator[bytes]:
        return iter(self._lines)


SAMPLE = {
    "at": 5.5,
    **dict.fromkeys(("cpu_ns", "cpus", "memory", "memory_limit", "net_rx", "net_tx", "disk_read", "disk_write"), 1),
}


@given(junk=st.lists(st.binary(max_size=30), max_size=5))
def test_only_objects_come_out_of_a_stream_whatever_is_in_it(junk: list[bytes]) -> None:
    stream_body = Body(b'{"a": 1}', *junk, b'{"b": 2}')
    found = list(streams.read_json_lines(stream_body))  # type: ignore[arg-type]  # it has what is used
    assert found[0] == {"a": 1}
    assert found[-1] == {"b": 2}
    assert all(isinstance(each, dict) for each in found)


@pytest.mark.parametrize(
    "changed",
    [
        {"at": None},
        {"at": "soon"},
        {"at": float("nan")},
        {"at": float("inf")},
        {"cpu_ns": None},
        {"cpu_ns": "many"},
        {"memory": float("inf")},
        {"memory": float("nan")},
        {"net_rx": []},
        {"disk_read": {}},
        {"pids": "x"},
        {"pids": float("inf")},
    ],
    ids=str,
)
def test_a_sample_that_is_no_number_is_left_out_and_the_next_is_not(changed: dict[str, object]) -> None:
    stream_body = Body(json.dumps(SAMPLE | changed).encode(), json.dumps(SAMPLE).encode())
    found = list(streams.read_machine_stats(stream_body))  # type: ignore[arg-type]  # as above
    assert [each.at for each in found] == [5.5]


@pytest.mark.parametrize("missing", sorted(SAMPLE))
def test_a_sample_that_lacks_something_is_left_out(missing: str) -> None:
    stream_body = Body(json.dumps({key: value for key, value in SAMPLE.items() if key != missing}).encode())
    assert list(streams.read_machine_stats(stream_body)) == []  # type: ignore[arg-type]  # as above
