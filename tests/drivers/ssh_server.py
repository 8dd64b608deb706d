"""A small SSH server in this process: lets in one key and one password, and carries channels to local sockets."""

from __future__ import annotations

import asyncio
import threading
from functools import cached_property
from typing import Any

import asyncssh

from apps.drivers.ssh import event_loop

PASSWORD = "open sesame"


class _Session(asyncssh.SSHServer):
    def __init__(self, server: SshServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._server.users.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key == self._server.client_key.convert_to_public()

    def unix_connection_requested(self, dest_path: str) -> bool:
        self._server.paths.append(dest_path)
        return True


class SshServer:
    """Listens on a port of this machine; what came is in `users`, `paths` and `connections`."""

    def __init__(self, kind: str = "ssh-ed25519") -> None:
        self.host_key = asyncssh.generate_private_key(kind)
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.users: list[str] = []
        self.paths: list[str] = []
        self.connections: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor = self._do(self._listen())
        self.port = self._acceptor.get_port()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> Any:
        options = {"server_host_keys": [self.host_key], "encoding": None}
        return await asyncssh.create_server(lambda: _Session(self), "127.0.0.1", 0, **options)

    @property
    def public(self) -> str:
        return " ".join(self.host_key.export_public_key().decode().split()[:2])

    @cached_property
    def private_key(self) -> str:
        return self.client_key.export_private_key().decode()

    def locked_key(self, passphrase: str) -> str:
        return self.client_key.export_private_key(passphrase=passphrase, rounds=50).decode()

    def drop(self) -> None:
        """Cut every connection."""

        async def cut() -> None:
            for each in self.connections:
                each.abort()

        self._do(cut())
        self.connections.clear()

    def stop(self) -> None:
        async def end() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

        self.drop()
        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def drain_portal_loop() -> None:
    """Let what the portal's own loop has begun come to its end."""
    event_loop.run_in_loop(asyncio.sleep(0.01), 5)
