"""The connection loses no byte, may be closed from any thread, and speaks TLS only with whom the endpoint trusts."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.drivers.base import (
    Endpoint,
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
)
from apps.drivers.docker.connections import ThreadSafeSocket, parse_tcp_address
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.docker.http import send_request
from apps.drivers.docker.tls_stream import TlsStream

Serve = Callable[[socket.socket], None]


class Server:
    """A server of one answer after another on a unix socket or, with a TLS context, on a port."""

    def __init__(self, listener: socket.socket, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self._listener, self._serve, self._context = listener, serve, context
        self.requests: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(10)
        try:
            with self._context.wrap_socket(client, server_side=True) if self._context else client as talk:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += talk.recv(65536)
                self.requests.append(head)
                self._serve(talk)
        except OSError:
            client.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Serve], Endpoint]]:
    listeners: list[socket.socket] = []

    def start(answer: Serve) -> Endpoint:
        listener = socket.socket(socket.AF_UNIX)
        path = tmp_path / f"{len(listeners)}.sock"
        listener.bind(str(path))
        listener.listen(16)
        listeners.append(listener)
        Server(listener, answer)
        return Endpoint(f"unix://{path}")

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def sends(*pieces: bytes, pause: float = 0.0) -> Serve:
    def answer(talk: socket.socket) -> None:
        for piece in pieces:
            talk.sendall(piece)
            time.sleep(pause)

    return answer


OK = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"one\ntwo\n",),
        (b"HTTP/1.0 20", b"0 OK\r\nA: b\r\n\r", b"\non", b"e\ntw", b"o"),
        (OK, b"", b"one\n", b"\n", b"two\n"),
    ],
)
def test_lines_arrive_whole(serve: Callable[[Serve], Endpoint], pieces: tuple[bytes, ...]) -> None:
    reply = send_request(serve(sends(*pieces, pause=0.01)), "GET", "/")
    assert list(reply.lines()) == [b"one", b"two"]
    reply.close()


def test_what_comes_with_the_head_is_not_lost(serve: Callable[[Serve], Endpoint]) -> None:
    reply = send_request(serve(sends(b"HTTP/1.1 101 UPGRADED\r\n\r\nfirst")), "POST", "/", body={}, upgrade=True)
    assert reply.read(2) == b"fi"
    assert b"".join(reply) == b"rst"
    reply.close()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b'HTTP/1.0 404 Not Found\r\n\r\n{"message":"No such thing"}\n', EngineNotFound, "No such thing"),
        (b'HTTP/1.1 409 Conflict\r\nContent-Length: 20\r\n\r\n{"message":"is busy"}', EngineConflict, "is busy"),
        (b"HTTP/1.0 500 Oops\r\n\r\n", EngineError, "HTTP status 500"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", EngineDown, "not a Docker engine"),
        (b"", EngineDown, "closed the connection"),
    ],
)
def test_a_bad_answer_is_an_error(
    serve: Callable[[Serve], Endpoint], answer: bytes, kind: type[EngineError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        send_request(serve(sends(answer)), "GET", "/")


def test_a_refusal_on_an_open_connection_is_not_waited_for(serve: Callable[[Serve], Endpoint]) -> None:
    endpoint = serve(sends(b'HTTP/1.1 409 Conflict\r\n\r\n{"message":"busy"}', pause=5))
    begun = time.monotonic()
    with pytest.raises(EngineConflict, match="busy"):
        send_request(endpoint, "POST", "/", upgrade=True)
    assert time.monotonic() - begun < 2


def test_silence_has_a_limit(serve: Callable[[Serve], Endpoint]) -> None:
    reply = send_request(serve(sends(OK, pause=5)), "GET", "/", idle_timeout=0.05)
    with pytest.raises(EngineDown, match="did not answer in time"):
        reply.read()
    reply.close()


def test_another_thread_may_close_it(serve: Callable[[Serve], Endpoint]) -> None:
    reply = send_request(serve(sends(OK, pause=5)), "GET", "/")
    threading.Timer(0.1, reply.close).start()
    begun = time.monotonic()
    assert reply.read() == b""
    assert reply.read() == b""
    assert time.monotonic() - begun < 2


def test_a_closed_wire_takes_nothing() -> None:
    ours, theirs = socket.socketpair()
    wire = ThreadSafeSocket(ours)
    wire.close()
    wire.close()
    assert wire.recv() == b""
    with pytest.raises(OSError, match="closed"):
        wire.send(b"x")
    theirs.close()


def test_a_stuck_reader_on_the_other_side_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    wire = ThreadSafeSocket(ours)
    with pytest.raises(TimeoutError):
        wire.send(b"x" * 10_000_000, timeout=0.05)
    wire.close()
    theirs.close()


@pytest.mark.parametrize("url", ["tcp://", "tcp://host", "tcp://host:port", "tcp://host:99999"])
def test_an_address_without_a_port_is_refused(url: str) -> None:
    with pytest.raises(EngineRefused, match="tcp://host:port"):
        parse_tcp_address(Endpoint(url))


def pair(name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> tuple[x509.Certificate, str]:
    """A certificate and its key as PEM; without an issuer, an authority that signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return made, text


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """Makes certificates that it vouches for."""

    def __init__(self, name: str) -> None:
        self.certificate, text = pair(name, None)
        key = serialization.load_pem_private_key(text.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self.pem = pem(self.certificate)

    def pair(self, name: str) -> tuple[str, str]:
        certificate, key = pair(name, (self.certificate, self._key))
        return pem(certificate), key


ENGINE = b'{"ApiVersion":"1.41","MinAPIVersion":"1.12"}'


def engine_answer(talk: socket.socket) -> None:
    talk.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(ENGINE), ENGINE))


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Authority]]:
    """An engine on a port of loopback that wants clients whom its authority knows."""
    authority = Authority("authority")
    certificate, key = authority.pair("engine")
    (tmp_path / "pair.pem").write_text(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    context.load_cert_chain(tmp_path / "pair.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    Server(listener, engine_answer, context)
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}", authority
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_tls_works_for_calls_and_streams(secure: tuple[str, Authority]) -> None:
    url, authority = secure
    certificate, key = authority.pair("portal")
    endpoint = Endpoint(url, ca=authority.pem, cert=certificate, key=key)
    driver = DockerDriver(endpoint)
    driver.ping()
    driver.close()
    reply = send_request(endpoint, "GET", "/version")
    assert b"".join(reply) == ENGINE
    reply.close()


class Ends(NamedTuple):
    """The two ends of one connection; whoever is at the far one begins with `accept`, in a thread of its own."""

    connect: Callable[[], ThreadSafeSocket]
    accept: Callable[[], socket.socket]


@pytest.fixture(params=["plain", "secure"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    if request.param == "plain":
        yield Ends(lambda: ThreadSafeSocket(near), lambda: far)
    else:
        certificate, key = (authority := Authority("authority")).pair("engine")
        (tmp_path / "pair.pem").write_text(certificate + key)
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=authority.pem)
        client.check_hostname = False
        server.load_cert_chain(tmp_path / "pair.pem")
        yield Ends(
            lambda: ThreadSafeSocket(TlsStream(near, client, "engine")),
            lambda: server.wrap_socket(far, server_side=True),
        )
    near.close()
    far.close()


def read_whole(sock: ThreadSafeSocket, size: int = 65536) -> bytes:
    return b"".join(iter(lambda: sock.recv(size, timeout=10), b""))


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_the_end_of_what_is_sent_arrives_and_answers_still_come(ends: Ends) -> None:
    def answer() -> None:
        with ends.accept() as talk:
            talk.sendall(b"got " + b"".join(iter(lambda: talk.recv(100), b"")))

    thread = in_thread(answer)
    sock = ends.connect()
    sock.send(b"question")
    sock.end_sending()
    assert read_whole(sock) == b"got question"
    sock.close()
    thread.join(10)


@pytest.mark.parametrize("read_before", [0, 1])
def test_an_answer_that_arrives_before_the_end_of_what_is_sent_is_kept(ends: Ends, read_before: int) -> None:
    early, is_sent = b"early" * 10_000, threading.Event()

    def answer() -> None:
        with ends.accept() as talk:
            talk.sendall(early)
            is_sent.set()
            talk.sendall(b"late " + b"".join(iter(lambda: talk.recv(100), b"")))

    thread = in_thread(answer)
    sock = ends.connect()
    is_sent.wait(10)
    first = sock.recv(read_before, timeout=10) if read_before else b""
    sock.end_sending()
    assert first + read_whole(sock, 1000) == early + b"late "
    sock.close()
    thread.join(10)


def test_both_ways_at_once_without_losses(ends: Ends) -> None:
    def echo() -> None:
        with ends.accept() as talk:
            while found := talk.recv(4096):
                talk.sendall(found)

    echoing = in_thread(echo)
    sock = ends.connect()
    payload = bytes(range(256)) * 8192

    def write() -> None:
        sock.send(payload)
        sock.end_sending()

    writing = in_thread(write)
    found = bytearray()
    while len(found) < len(payload):
        found += sock.recv(timeout=5)
    writing.join(5)
    assert bytes(found) == payload
    sock.close()
    echoing.join(5)


def test_an_engine_of_another_authority_is_not_trusted(secure: tuple[str, Authority]) -> None:
    url, authority = secure
    certificate, key = authority.pair("portal")
    endpoint = Endpoint(url, ca=Authority("stranger").pem, cert=certificate, key=key)
    for call in (DockerDriver(endpoint).ping, lambda: send_request(endpoint, "GET", "/version")):
        with pytest.raises(EngineDown, match="certificate verify failed"):
            call()


def test_an_engine_rejects_unknown_clients(secure: tuple[str, Authority]) -> None:
    url, authority = secure
    with pytest.raises(EngineDown):
        DockerDriver(Endpoint(url, ca=authority.pem)).ping()


def test_useless_tls_material_is_refused(secure: tuple[str, Authority]) -> None:
    url, authority = secure
    certificate, _ = authority.pair("portal")
    _, key = authority.pair("other")
    for endpoint in (Endpoint(url, ca="nonsense"), Endpoint(url, ca=authority.pem, cert=certificate, key=key)):
        with pytest.raises(EngineRefused, match="TLS material"):
            DockerDriver(endpoint).ping()
