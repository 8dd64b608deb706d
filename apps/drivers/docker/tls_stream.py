"""TLS over a socket of which one may end the sending alone, and go on reading.

The library's own TLS socket cannot: it reads from the connection while it shuts its side down, and an answer that
arrives in that moment is lost. Here TLS works on buffers, so that what is read is decided apart from what is sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

_CHUNK = 65536
_RECORD = 16384  # what TLS puts into one record (RFC 8446, 5.1)


class TlsStream:
    """A client's TLS on a connected socket; blocks as the socket does, and then raises `BlockingIOError` as it would.

    Not safe for threads: `ThreadSafeSocket` holds a lock around each call.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str) -> None:
        """Shake hands within the socket's time-out. Raises `OSError`, whose kind `ssl.SSLError` names what is wrong."""
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._unsent = b""
        self._unread = bytearray()
        try:
            self._shake_hands()
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                self.flush()  # the alert, by which the other side knows why
            raise

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self._receive()
            else:
                self.flush()
                return

    def recv(self, size: int) -> bytes:
        """Some bytes, b"" at the end. Raises `OSError`."""
        while not self._unread:
            try:
                return self._tls.read(size)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                self._send_own()
                self._receive()
        piece = bytes(self._unread[:size])
        del self._unread[:size]
        return piece

    def _receive(self) -> None:
        if piece := self._sock.recv(_CHUNK):
            self._incoming.write(piece)
        else:
            self._incoming.write_eof()

    def _send_own(self) -> None:
        """Send what TLS itself has to say; where the socket takes nothing now, the next flush does."""
        with contextlib.suppress(BlockingIOError):
            self.flush()

    def send(self, data: bytes | memoryview) -> int:
        """Take a record's worth of `data`, and answer how much that was; `flush` sends it. Raises `OSError`."""
        self.flush()
        return self._tls.write(data[:_RECORD])

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises `OSError`."""
        left = memoryview(data)
        while left:
            left = left[self.send(left) :]
        self.flush()

    def flush(self) -> None:
        """Send what was taken. Raises `OSError`; what is left after one is sent by the next call."""
        self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]

    def end_sending(self) -> None:
        """Say that nothing more is sent; `flush` sends that. Raises `OSError`."""
        # Shutting down looks for the other side's end among what has arrived, and throws away what it finds instead.
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self._tls.read(_CHUNK):
                self._unread += piece
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._sock.settimeout(seconds)

    def fileno(self) -> int:
        """As a socket's."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """As a socket's: below TLS, which hears nothing of it."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """As a socket's."""
        self._sock.close()
