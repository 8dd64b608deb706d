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

from apps.drivers import docker_load, docker_streams
from apps.drivers.base import Endpoint, EngineDown, EngineError, EngineRefused
from apps.drivers.docker_load import load

LOADED = json.dumps({"stream": "Loaded image: app:1\n"}).encode() + b"\r\n"


def chunked(*bodies: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies) + b"0\r\n\r\n"


def plain(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class Engine:
    """Takes one request to its end, or only `takes` bytes of it, and says one thing."""

    def __init__(self, folder: Path, said: bytes, takes: int | None = None) -> None:
        self.endpoint = Endpoint(f"unix://{folder}/e.sock")
        self.heard = b""
        self._said, self._takes = said, takes
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(f"{folder}/e.sock")
        self._door.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        line, _ = self._door.accept()
        with line, contextlib.suppress(OSError):  # who asks may have left
            while not self._has_all() and (piece := line.recv(65536)):
                self.heard += piece
            line.sendall(self._said)

    def _has_all(self) -> bool:
        return self.heard.endswith(b"\r\n0\r\n\r\n") if self._takes is None else len(self.heard) >= self._takes

    def end(self) -> None:
        self._thread.join(5)
        self._door.close()

    @property
    def archive(self) -> bytes:
        """What came in its chunks."""
        rest, whole = self.heard.partition(b"\r\n\r\n")[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return whole


Meet = Callable[..., Engine]


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[Meet]:
    made: list[Engine] = []

    def make(said: bytes, takes: int | None = None) -> Engine:
        made.append(Engine(tmp_path, said, takes))
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
def test_an_archive_arrives_as_it_was(meet: Meet, pieces: list[bytes]) -> None:
    engine = meet(chunked(LOADED))
    load(engine.endpoint, "/v1.41/images/load?quiet=1", iter(pieces))
    engine.end()
    assert engine.archive == b"".join(pieces)
    assert engine.heard.startswith(b"POST /v1.41/images/load?quiet=1 HTTP/1.1\r\n")
    assert b"Content-Type: application/x-tar\r\n" in engine.heard


@pytest.mark.parametrize(
    "said",
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
def test_the_engines_last_word_counts(meet: Meet, said: bytes) -> None:
    load(meet(said).endpoint, "/images/load", [b"tar"])


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (chunked(b'{"status":"Loading layer"}\r\n'), EngineError, "stopped in the middle of taking in"),
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
def test_what_went_wrong_is_told_by_the_engine(meet: Meet, said: bytes, kind: type[EngineError], words: str) -> None:
    with pytest.raises(kind, match=words) as error:
        load(meet(said).endpoint, "/images/load", [b"tar"])
    assert type(error.value) is kind


def test_an_engine_that_refuses_before_it_has_it_all_is_heard(meet: Meet) -> None:
    said = plain(b'{"message":"This agent only lets the portal read."}', b"403 No")
    engine = meet(said, takes=1)
    with pytest.raises(EngineError, match="only lets the portal read"):
        load(engine.endpoint, "/images/load", (b"x" * 65536 for _ in range(2)))


def test_an_engine_that_hangs_up_in_the_middle_is_down(meet: Meet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_load, "PATIENCE", 2.0)
    engine = meet(b"", takes=1)
    with pytest.raises(EngineDown):
        load(engine.endpoint, "/images/load", (b"x" * 65536 for _ in range(500)))


def test_an_engine_that_is_not_there_is_down(tmp_path: Path) -> None:
    with pytest.raises(EngineDown, match="cannot be reached"):
        load(Endpoint(f"unix://{tmp_path}/none.sock"), "/images/load", [b"tar"])


def test_what_keeps_the_archive_from_coming_is_told_and_the_engine_left(meet: Meet) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise EngineError("the other engine stopped")

    engine = meet(b"", takes=10**9)
    with pytest.raises(EngineError, match="the other engine stopped"):
        load(engine.endpoint, "/images/load", broken())
    engine.end()
    assert not engine.heard.endswith(b"0\r\n\r\n"), "half an archive gets no end"


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
    told = Body(b'{"a": 1}', *junk, b'{"b": 2}')
    found = list(docker_streams.objects(told))  # type: ignore[arg-type]  # it has what is used
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
    told = Body(json.dumps(SAMPLE | changed).encode(), json.dumps(SAMPLE).encode())
    found = list(docker_streams.machine_samples(told))  # type: ignore[arg-type]  # as above
    assert [each.at for each in found] == [5.5]


@pytest.mark.parametrize("gone", sorted(SAMPLE))
def test_a_sample_that_lacks_something_is_left_out(gone: str) -> None:
    told = Body(json.dumps({key: value for key, value in SAMPLE.items() if key != gone}).encode())
    assert list(docker_streams.machine_samples(told)) == []  # type: ignore[arg-type]  # as above
