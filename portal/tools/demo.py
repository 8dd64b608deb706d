"""The demonstration: a portal with its own data folder, and ten web servers deployed through its API."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from portal.boot.data_dir import open_data_dir
from portal.boot.terminal import CannotStart, say
from portal.tools.demo_hosts import ENVIRONMENT_NAME, HOST_COUNT, SimulatedHosts
from portal.tools.engine import local_engine

_ROOT = Path(__file__).resolve().parents[2]
_DEFAULT_ENVIRONMENT = "5"
_STACK, _SERVICE, _SCALE = "WEB-Server", "nginx-cluster", 10
_IMAGE = "corral-demo:local"
_FALLBACK_IMAGE = "nginx:alpine"
_START_TIMEOUT = 60.0
_ENGINE_TIMEOUT = 600.0  # the portal may be installing it
_DEPLOY_TIMEOUT = 180.0

Json = dict[str, Any]


def demo() -> int:
    """Start the portal, deploy the sample stack, say where to look, and stop the portal at Ctrl-C.

    The containers stay, and the next run shows them again; DEMO_CLEAN=1 removes the stack before the portal stops.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    try:
        demonstration = Demo(open_data_dir())
    except CannotStart as reason:
        say(f"The demonstration cannot start: {reason}")
        return 1
    try:
        demonstration.run()
    except CannotStart as reason:
        say(f"The demonstration stops here: {reason}")
    except KeyboardInterrupt:
        pass
    return demonstration.stop()


class Demo:
    """One run: the portal is a child in its own session, so that Ctrl-C reaches this process first."""

    def __init__(self, folder: Path) -> None:
        self._state_file = folder / "demo.json"
        self._state: Json = json.loads(self._state_file.read_text()) if self._state_file.exists() else {}
        self._base = f"http://localhost:{os.environ.get('PORT', '').strip() or '8080'}"
        self._portal: subprocess.Popen[bytes] | None = None
        self._simulated_hosts = SimulatedHosts(self._api_as_admin, folder)

    def run(self) -> None:
        """Bring everything up, then wait until the portal ends."""
        if "password" not in self._state:
            say("Preparing the demonstration ...")
            password = secrets.token_urlsafe(12)
            _run_manage("migrate", "--verbosity", "0")
            _run_manage("first_admin", "--login", "admin", stdin=f"{password}\n")
            self._remember(password=password)
        serve = [sys.executable, "-m", "portal", "serve"]
        self._portal = subprocess.Popen(serve, cwd=_ROOT, start_new_session=True)
        self._await_portal()
        if "accessKey" not in self._state:
            self._remember(
                **json.loads(_run_manage("api_key", "--login", "admin", "--environment", _DEFAULT_ENVIRONMENT))
            )
        try:
            self._deploy()
        except CannotStart as reason:
            say(f"The sample stack is not up: {reason} The portal runs on.")
        self._start_simulated_hosts()
        say(f"\nConsole   {self._base}/   log in as admin with the password {self._state['password']}")
        self._portal.wait()

    def stop(self) -> int:
        """Remove the stack if DEMO_CLEAN is set, and stop the portal; its exit code."""
        portal = self._portal
        if portal is None:
            return 1
        self._simulated_hosts.stop()
        try:
            if portal.poll() is None and os.environ.get("DEMO_CLEAN", "").strip() == "1":
                self._clean()
        except (CannotStart, KeyboardInterrupt) as reason:
            say(f"The sample stack was left: {reason or 'interrupted'}")
        if portal.poll() is None:
            portal.terminate()
        return portal.wait()

    def _remember(self, **facts: str) -> None:
        """Remember for the next run."""
        self._state |= facts
        self._state_file.touch(mode=0o600)
        self._state_file.write_text(json.dumps(self._state))

    def _await_portal(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while not _is_up(f"{self._base}/healthz"):
            if self._portal is not None and self._portal.poll() is not None:
                raise CannotStart("the portal ended.")
            if time.monotonic() > deadline:
                raise CannotStart(f"the portal does not answer on {self._base}.")
            time.sleep(0.05)

    def _start_simulated_hosts(self) -> None:
        """Simulated hosts beside the real one."""
        try:
            if "accountKey" not in self._state:
                made = json.loads(_run_manage("api_key", "--login", "admin", "--name", "demonstration"))
                self._remember(accountKey=f"{made['accessKey']}:{made['secretKey']}")
            self._simulated_hosts.start()
        except CannotStart as reason:
            say(f"The simulated hosts are not up: {reason} The portal runs on.")
            return
        say(f"{HOST_COUNT} simulated hosts are in the environment {ENVIRONMENT_NAME}.")

    def _api(self, path: str, body: Json | None = None, method: str | None = None) -> Json:
        """One request to the API with the demonstration's key for its environment."""
        return self._request(f"{self._state['accessKey']}:{self._state['secretKey']}", path, body, method)

    def _api_as_admin(self, path: str, body: Json | None = None) -> Json:
        """One request with the administrator's key, which sees every environment."""
        return self._request(self._state["accountKey"], path, body)

    def _request(self, key: str, path: str, body: Json | None = None, method: str | None = None) -> Json:
        url = path if path.startswith("http") else f"{self._base}/v1/{path}"
        pair = base64.b64encode(key.encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Accept": "application/json", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - our own portal
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise CannotStart(f"the API answered {error.code}: {error.read(300).decode(errors='replace')}.") from error
        except OSError as error:
            raise CannotStart(f"the API does not answer ({error}).") from error

    def _deploy(self) -> None:
        began = time.monotonic()
        self._await_host()
        stack = self._stack()
        if stack is None:
            image = _demo_image()
            began = time.monotonic()
            stack = self._api("environments", {"name": _STACK, "description": "Ten small web servers"})
            launch = {"imageUuid": f"docker:{image}", "ports": ["80/tcp"]}
            wanted = {"name": _SERVICE, "environmentId": stack["id"], "scale": _SCALE, "launchConfig": launch}
            self._api("services", {**wanted, "startOnCreate": True})
        self._await_running()
        say(f"{_SCALE} web servers of the stack {_STACK} run ({time.monotonic() - began:.1f} s):")
        for port in self._ports():
            say(f"          http://localhost:{port}/")
        say(f"API       curl -u {self._state['accessKey']}:{self._state['secretKey']} {self._base}/v1/containers")

    def _stack(self) -> Json | None:
        rows = self._api(f"environments?name={_STACK}&removed_null=1")["data"]
        return rows[0] if rows else None

    def _await_host(self) -> None:
        deadline = time.monotonic() + (_ENGINE_TIMEOUT if os.environ.get("INSTALL_DOCKER", "") != "0" else 10)
        while not any(row["state"] == "active" for row in self._api("hosts")["data"]):
            if time.monotonic() > deadline or (self._portal and self._portal.poll() is not None):
                raise CannotStart("no Docker engine answers.")
            time.sleep(0.2)

    def _containers(self) -> list[Json]:
        prefix = f"{_STACK}_{_SERVICE}_"
        rows: list[Json] = self._api("containers?limit=1000&removed_null=1")["data"]
        return [row for row in rows if row["name"].startswith(prefix) and not row.get("nativeContainer")]

    def _await_running(self) -> None:
        deadline = time.monotonic() + _DEPLOY_TIMEOUT
        while sum(row["state"] == "running" for row in self._containers()) < _SCALE:
            if time.monotonic() > deadline:
                messages = {row["transitioningMessage"] for row in self._containers()} - {None, ""}
                raise CannotStart(f"not all containers run: {'; '.join(sorted(messages)) or 'no reason given'}.")
            time.sleep(0.1)

    def _ports(self) -> list[int]:
        rows = self._api(f"services?name={_SERVICE}&removed_null=1")["data"]
        return sorted(each["port"] for row in rows for each in row["publicEndpoints"] or [])

    def _clean(self) -> None:
        stack = self._stack()
        if stack is None:
            return
        say(f"Removing the stack {_STACK} ...")
        self._api(stack["links"]["self"], method="DELETE")
        deadline = time.monotonic() + _DEPLOY_TIMEOUT
        while self._stack() is not None and self._containers():
            if time.monotonic() > deadline:
                raise CannotStart("it was not removed in time.")
            time.sleep(0.2)


def _run_manage(*arguments: str, stdin: str = "") -> str:
    """A management command on the demonstration's data; what it printed."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=_ROOT, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotStart(f"manage.py {arguments[0]}: {reason}")
    return done.stdout


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own portal
            return True
    except urllib.error.HTTPError as error:
        return error.code not in {502, 503}
    except OSError:
        return False


def _demo_image() -> str:
    """The image of the sample stack: made here if possible, else one that the engine pulls."""
    from portal.tools.busybox_image import ImageUnavailable, build_image

    url = local_engine()
    if url is None:
        return _FALLBACK_IMAGE
    try:
        build_image(url, _IMAGE)
    except ImageUnavailable as reason:
        say(f"{reason} The engine pulls {_FALLBACK_IMAGE} instead.")
        return _FALLBACK_IMAGE
    return _IMAGE
