"""The local Docker engine: found, or installed and started where the machine allows it, or a line with the remedy."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from portal.boot.terminal import say
from portal.tools.apt import PackageUnavailable, install_package

logger = logging.getLogger(__name__)

_PING_TIMEOUT = 2.0
_RETRY_INTERVAL = 5.0
_START_TIMEOUT = 60.0
_SYSTEM_SOCKET = "unix:///var/run/docker.sock"


def find_or_install_engine(on_found: Callable[[str], None], stopping: threading.Event) -> None:
    """Call `on_found` with the local engine's URL: now, after installing one, or once somebody has started one."""
    try:
        url = local_engine() or ensure_engine()
        while url is None and not stopping.wait(_RETRY_INTERVAL):
            url = local_engine()
        if url is not None:
            on_found(url)
    except Exception:
        logger.exception("The search for a local Docker engine failed; hosts can still be added in the console.")


def candidate_urls() -> list[str]:
    """Where a local engine may listen, the most likely first; a socket named by DOCKER_HOST is the only candidate."""
    named = os.environ.get("DOCKER_HOST", "").strip()
    if named.startswith("unix://"):
        return [named]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "").strip()
    rootless = f"unix://{runtime}/docker.sock" if runtime else ""
    return [url for url in (_SYSTEM_SOCKET, rootless) if url]


def local_engine() -> str | None:
    """The URL of the first local engine that answers."""
    return next((url for url in candidate_urls() if is_engine(url)), None)


def is_engine(url: str) -> bool:
    """Whether an engine answers a ping on the unix socket `url`."""
    connection = http.client.HTTPConnection("localhost", timeout=_PING_TIMEOUT)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_PING_TIMEOUT)
        try:
            client.connect(url.removeprefix("unix://"))
            connection.sock = client
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def reason_not_to_install() -> str | None:
    """Why no engine is installed or started on this machine; None when one may be."""
    if os.environ.get("INSTALL_DOCKER", "").strip() == "0":
        return "INSTALL_DOCKER=0 prevents the installation"
    if os.environ.get("DOCKER_HOST", "").startswith("unix://"):
        return "DOCKER_HOST names the socket of an engine that is not running"
    if os.geteuid() != 0:
        return "it cannot be reached or installed without root: run as root or as a member of the group docker"
    if shutil.which("dockerd") is None and not Path("/etc/debian_version").exists():
        return "it is installed automatically on Debian and Ubuntu only"
    return None


def ensure_engine() -> str | None:
    """Install docker.io where it is missing, start it, and return its URL once it answers."""
    named = os.environ.get("DOCKER_HOST", "").strip()
    if named and not named.startswith("unix://"):
        say(f"DOCKER_HOST={named} is not a socket of this machine: add it as a host in the console.")
    reason = reason_not_to_install()
    if reason is not None:
        say(f"No local Docker engine answers ({reason}). Install and start Docker, or add a host in the console.")
        return None
    if shutil.which("dockerd") is None and not _install():
        return None
    if not _wait_until_up(2.0):
        _start()
    if _wait_until_up(_START_TIMEOUT):
        return _SYSTEM_SOCKET
    say(f"The Docker engine was started but does not answer; see {_log_path()}.")
    return None


def _install() -> bool:
    say("No local Docker engine: installing Debian's docker.io (INSTALL_DOCKER=0 prevents it) ...")
    try:
        install_package("docker.io")
    except PackageUnavailable as reason:
        say(f"docker.io could not be installed ({reason}). Install Docker yourself, or add a host in the console.")
        return False
    return True


def _start() -> None:
    """Start the engine so that it outlives the portal."""
    if Path("/run/systemd/system").is_dir():
        say("Starting the Docker engine (systemctl start docker) ...")
        subprocess.run(["systemctl", "start", "docker"], timeout=_START_TIMEOUT, check=False)
        return
    say(f"Starting the Docker engine; it runs on when the portal stops (log: {_log_path()}) ...")
    with _log_path().open("ab") as log:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _log_path() -> Path:
    return Path(os.environ["DATA_DIR"], "dockerd.log")


def _wait_until_up(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_engine(_SYSTEM_SOCKET):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
