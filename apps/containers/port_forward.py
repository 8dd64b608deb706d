"""A TCP connection to a port inside a container: through a command there, so that it works however the host is reached.

What listens on the container's loopback alone is reached as well, and no other network has to lead there.
"""

from __future__ import annotations

from apps.containers.models import Container
from apps.containers.streams import command_open
from apps.core.errors import Invalid
from apps.drivers.base import EngineError, ExecSession

GREETING = b"corral-forward\n"

# The first that is there connects its input and output with the port; 127 is what a shell says of no such program.
_SCRIPT = """\
printf 'corral-forward\\n'
exec 2>/dev/null
if command -v nc >/dev/null; then exec nc 127.0.0.1 "$1"; fi
if command -v socat >/dev/null; then exec socat STDIO "TCP:127.0.0.1:$1"; fi
if command -v bash >/dev/null; then
  exec bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" || exit 1; cat <&3 & cat >&3; wait' "$1"
fi
exit 127
"""
NO_PROGRAM = 127


def check_port(value: object) -> int:
    """A number of a port. Raises `Invalid`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise Invalid("port", "InvalidOption", "A port is a number from 1 to 65535.")
    return value


def forward_open(row: Container, port: int) -> ExecSession:
    """What is connected with the port. Raises as a shell does, and `EngineError` where the container has no shell."""
    session = command_open(row, ["/bin/sh", "-c", _SCRIPT, "sh", str(check_port(port))], tty=False)
    try:
        greeting = _read_greeting(session)
    except BaseException:
        session.close()
        raise
    if greeting != GREETING:
        session.close()
        raise EngineError("The container has no shell (/bin/sh), which a port is forwarded by.")
    return session


def _read_greeting(session: ExecSession) -> bytes:
    """What the script says first; less, or something else, where it did not run."""
    found = b""
    while len(found) < len(GREETING):
        piece = session.read(len(GREETING) - len(found))
        if not piece:
            break
        found += piece
    return found


def forward_end_reason(code: int | None, port: int) -> str:
    """Why a connection ended at once, for people; empty where it ended as connections do."""
    if code == NO_PROGRAM:
        return "The container has neither nc, socat nor bash, one of which a port is forwarded by."
    return f"Nothing listens on port {port} of the container." if code else ""
