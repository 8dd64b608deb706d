"""The readiness page: answers on the portal's port from the first moment until the portal itself does."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import socket
import threading

_HEAD_LIMIT = 32 * 1024
_CLIENT_TIMEOUT = 5.0
_DRAIN_TIMEOUT = 0.3

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="viewport" content="width=device-width"><title>Corral is starting</title><style>
:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui,sans-serif}}
body{{display:grid;place-items:center;height:90vh;margin:0}}
main{{text-align:center}}h1{{font-size:1.25rem;font-weight:600;margin:0 0 .25rem}}p{{opacity:.65;margin:0}}
</style></head><body><main><h1>Corral is starting</h1><p>{step} … this page opens the portal by itself.</p></main>
</body></html>"""


class ReadinessServer:
    """Answers 503 to everything on a listening socket that is handed over without closing it."""

    def __init__(self, listener: socket.socket) -> None:
        self.step = "Getting ready"
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)

    def open(self) -> None:
        """Start answering."""
        self._thread.start()

    def close(self) -> None:
        """Stop accepting; connections from now on wait in the socket's queue for the next listener."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_CLIENT_TIMEOUT)
        elif not self._loop.is_closed():
            self._loop.close()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        # A duplicate: closing the server closes its socket, and the original must go on listening.
        server_socket = self._listener.dup()
        server = await asyncio.start_server(self._respond, sock=server_socket, limit=_HEAD_LIMIT)
        await self._closing.wait()
        # Not yet `server.close()`: it drops connections that are accepted but not set up (a reset for the client).
        self._loop.remove_reader(server_socket)
        await self._drain(self._loop.time() + _DRAIN_TIMEOUT)
        server.close()

    async def _drain(self, deadline: float) -> None:
        """Let accepted connections get their answer: accepting is one task, answering another that follows it."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            if self._loop.time() > deadline:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=0.05)
            await asyncio.sleep(0)

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _CLIENT_TIMEOUT)
            writer.write(build_response(head, self.step))
            await writer.drain()
            writer.write_eof()
            # A body that is still coming would turn our close into a reset and lose the answer.
            await asyncio.wait_for(reader.read(_HEAD_LIMIT), 0.5)
        writer.close()


def build_response(head: bytes, step: str) -> bytes:
    """The whole HTTP answer to a request with this head: JSON to programs, a page that reloads itself to people."""
    request_line, *headers = head.decode("latin-1").lower().split("\r\n")
    accepts_html = any(line.startswith("accept:") and "text/html" in line for line in headers)
    is_for_people = accepts_html and " /healthz" not in request_line
    if is_for_people:
        kind, body = "text/html; charset=utf-8", _PAGE.format(step=html.escape(step))
    else:
        error = {"type": "error", "status": 503, "code": "Starting", "message": "Corral is starting", "detail": step}
        kind, body = "application/json", json.dumps(error)
    payload = b"" if request_line.startswith("head ") else body.encode()
    return (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n"
        "Retry-After: 1\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + payload
