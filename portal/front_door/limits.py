"""How large, how slow and how many requests may be; pure. `docs/operate/front-door.md` has the same figures."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qs

KB = 1024
MB = 1024 * KB

MAX_HEAD_SIZE = 32 * KB  # request line and headers
MAX_HEADERS = 100
HEAD_SECONDS = 20.0  # from the first byte, or from connecting, to the end of the headers

BODY_SECONDS = 20.0  # and one more for each
MIN_BODY_RATE = 4 * KB  # bytes, or a slow connection could never send what is allowed

IDLE_SECONDS = 75  # v1's clients keep connections for a minute; a close from here races their next request

MAX_WEBSOCKET_MESSAGE = 4 * MB  # an agent's largest; browsers send lines

AGENT_PATH = "/v1/agent"
"""Agents' WebSockets are sent no pings: SSH inside of them notices sooner that nobody is there any more."""

SMALL_BODY = 64 * KB
FORM_BODY = MB
MAX_BODY = 4 * MB  # `DATA_UPLOAD_MAX_MEMORY_SIZE`: a v1 body, or two compose files

# Files: passed on while they arrive, held nowhere here. Who takes them knows a smaller limit.
MAX_FILE = 64 * 1024 * MB
FILE_IDLE_SECONDS = 60.0  # between two pieces

# Bodies are held in memory until they are complete. Small ones are bounded by the number of connections.
MAX_BODIES = 64 * MB
MAX_BODIES_PER_CLIENT = 16 * MB

MAX_CONNECTIONS = 2048
MAX_CONNECTIONS_PER_CLIENT = 512  # many people may share an address
MAX_WEBSOCKETS = 4096  # each agent holds one, each open page another
MAX_WEBSOCKETS_PER_CLIENT = 2048

_PUBLIC_PAGES = ("/login", "/setup", "/confirm", "/logout", "/theme")
_API_ROOTS = ("/v1", "/v2-beta")
_PUBLIC_RESOURCES = ("/v1/token", "/v1/registers", "/v1/scripts/", "/v1/devicelogins")
_UPLOADS = (
    *("/stacks/new", "/stacks/check", "/edit", "/services/new", "/containers/new", "/preview", "/clone"),
    *("/upgrade", "/stacks/bundle"),
)
_FILE_ACTIONS = {"importimage", "sendcontext"}
_FILE_PAGES = ("/images/import/file", "/context")


def body_limit(method: str, path: str, *, has_credential: bool) -> int:
    """The largest body of this request in bytes, whether its length is announced or not.

    `has_credential`: it carries a cookie or an Authorization header. Without any, no form of the console can be
    accepted; v1 must take such requests while access control is off.
    """
    if method in {"GET", "HEAD", "OPTIONS"}:
        return SMALL_BODY
    if _is_below(path, _API_ROOTS):
        path = path.replace("/v2-beta", "/v1", 1)
        is_small = path.startswith(_PUBLIC_RESOURCES) and path != "/v1/scripts/transform"
        return SMALL_BODY if is_small else MAX_BODY
    if not has_credential or _is_below(path, _PUBLIC_PAGES):
        return SMALL_BODY
    return MAX_BODY if path.startswith("/env/") and path.endswith(_UPLOADS) else FORM_BODY


def carries_file(method: str, path: str, query: bytes, *, has_credential: bool) -> bool:
    """Whether the body is a file that the application reads piece by piece, once it knows who sends it."""
    if method != "POST":
        return False
    if _is_below(path, _API_ROOTS):
        return not _FILE_ACTIONS.isdisjoint(parse_qs(query.decode("latin-1"), max_num_fields=None).get("action", ()))
    return has_credential and path.startswith("/env/") and path.endswith(_FILE_PAGES)


def _is_below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)
