"""The all-in-one server: readiness page at once, then broker, migrations, workers, and the portal itself."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from portal.boot.data_dir import lock_data_dir, open_data_dir, open_run_dir
from portal.boot.memory import limit_arenas
from portal.boot.readiness import ReadinessServer
from portal.boot.terminal import CannotStart, say

if TYPE_CHECKING:
    from pathlib import Path

    from uvicorn import Server

_STOP_TIMEOUT = 1


def serve() -> int:
    """Run the portal until it is stopped; the exit code."""
    portal = Portal()
    try:
        portal.run()
    except CannotStart as reason:
        say(f"Corral cannot start: {reason}")
        return 1
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def listen() -> socket.socket:
    """The portal's listening socket, on BIND (all IPv4 addresses) and PORT (8080)."""
    host, port = os.environ.get("BIND", "").strip() or "0.0.0.0", os.environ.get("PORT", "").strip() or "8080"  # noqa: S104 (a portal is for others)
    if not port.isdecimal() or int(port) > 65535:
        raise CannotStart(f"PORT={port} is not a port number.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, int(port)), family=family, backlog=512, dualstack_ipv6=host == "::")
    except OSError as error:
        raise CannotStart(f"{host}:{port} cannot be used ({error.strerror}); set PORT (or BIND) to another.") from error
    listener.settimeout(0)
    return listener


class Portal:
    """One run of the portal: what was started is stopped in reverse order, however it ends."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._server: Server | None = None

    def run(self) -> None:
        """Start everything, serve, and stop everything."""
        self._take_signals()
        limit_arenas()
        with ExitStack() as stack:
            data_dir = open_data_dir()
            stack.enter_context(lock_data_dir(data_dir))
            listener = stack.enter_context(listen())
            readiness = ReadinessServer(listener)
            readiness.open()
            stack.callback(readiness.close)
            application = self._build(stack, data_dir, readiness)
            readiness.close()
            self._serve(application, listener)

    def _build(self, stack: ExitStack, data_dir: Path, readiness: ReadinessServer) -> Any:
        broker = None
        if not os.environ.get("REDIS_URL", "").strip():
            from portal.boot.broker import Broker

            broker = Broker(open_run_dir(data_dir), log=data_dir / "broker.log")
            stack.callback(broker.stop)
            broker.start()
        readiness.step = "Loading"
        application = _load_application()
        readiness.step = "Preparing the database"
        _prepare_database()
        if broker is not None:
            broker.wait()
        readiness.step = "Starting the workers"
        from portal.boot.background import start_parts

        stack.enter_context(start_parts())
        return application

    def _serve(self, application: Any, listener: socket.socket) -> None:
        import uvicorn
        from django.conf import settings

        from portal.front_door.http_protocol import GuardedHttpProtocol, GuardedWebSocketProtocol
        from portal.front_door.limits import IDLE_SECONDS, MAX_WEBSOCKET_MESSAGE

        proxies = list(settings.TRUSTED_PROXIES)
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                loop="uvloop",
                http=GuardedHttpProtocol,
                ws=GuardedWebSocketProtocol,
                ws_per_message_deflate=False,
                ws_max_size=MAX_WEBSOCKET_MESSAGE,
                timeout_keep_alive=IDLE_SECONDS,
                interface="asgi3",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_graceful_shutdown=_STOP_TIMEOUT,
            ),
        )
        host, port = listener.getsockname()[:2]
        display_host = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 (only compared)
        say(
            f"Corral is ready: http://{display_host}:{port}/ ({time.monotonic() - self._began:.1f} s). Ctrl-C stops it."
        )
        gc.freeze()
        self._server.run(sockets=[listener])
        say("Corral is stopping.")

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle_signal)

    def _handle_signal(self, *_signal: object) -> None:
        # Before the server runs, leaving is an exception; the server wants to be asked, and repeats the signal after.
        if self._server is None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            sys.exit(0)
        self._server.should_exit = True


def _load_application() -> Any:
    """Django and the application."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.base")
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.utils.module_loading import import_string

    from portal.boot.optional_imports import load_rest_framework

    gc.disable()  # what loading makes stays: going through it again and again would take longer than loading it
    try:
        load_rest_framework()
        django.setup()
        return import_string(settings.ASGI_APPLICATION)
    except ImproperlyConfigured as error:
        raise CannotStart(str(error)) from error
    finally:
        gc.freeze()
        gc.enable()


def _prepare_database() -> None:
    from portal.boot.database import migrate_if_behind
    from portal.boot.startup import prepare

    migrate_if_behind()
    prepare()
