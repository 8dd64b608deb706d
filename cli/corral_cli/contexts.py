"""Which portal, key and environment a command uses: options, then the environment, then what `corral login` stored."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corral_cli.errors import CliError, ExitCode

_VARIABLES = {
    "url": "URL",
    "access_key": "ACCESS_KEY",
    "secret_key": "SECRET_KEY",
    "environment": "ENVIRONMENT",
    "ca": "CA",
}
_API_PATH = re.compile(r"/v(?:1|2-beta)(?:/projects/(?P<project>[^/]+))?(?:/schemas)?/?$")


class PortalAccess(NamedTuple):
    """A portal, and as whom and in which environment to talk to it."""

    url: str = ""
    access_key: str = ""
    secret_key: str = ""
    environment: str = ""
    ca: str = ""

    def normalized(self) -> PortalAccess:
        """With the portal's address only; the environment of an API URL is kept. Raises `CliError`."""
        url = self.url.strip().rstrip("/")
        if not url:
            raise CliError(
                "No portal is chosen: run `corral login URL`, or set RANCHER_URL, RANCHER_ACCESS_KEY and "
                "RANCHER_SECRET_KEY.",
                ExitCode.USAGE,
            )
        if not re.match(r"https?://[^/\s]", url):
            raise CliError(
                f"{url[:120]!r} is no URL of a portal: write it as https://portal.example.com", ExitCode.USAGE
            )
        found = _API_PATH.search(url)
        project = (found.group("project") if found else "") or ""
        root = url[: found.start()] if found else url
        return self._replace(url=root, environment=self.environment or project)


def access_from(options: Mapping[str, Any], environ: Mapping[str, str], stored: PortalAccess) -> PortalAccess:
    """What to use: each part from the first place that has it.

    A portal that is named elsewhere takes nothing from what is stored for another one: its key is nobody else's
    business.
    """
    found = {}
    for name, variable in _VARIABLES.items():
        given = options.get(name) or environ.get(f"CORRAL_{variable}") or environ.get(f"RANCHER_{variable}")
        if given:
            found[name] = str(given)
    known = stored.normalized().url if stored.url else ""
    if "url" in found and PortalAccess(found["url"]).normalized().url != known:
        return PortalAccess(**found)
    return stored._replace(**found)


class ContextStore:
    """The file that holds what `corral login` stored; only its owner may read it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = Path(environ.get("CORRAL_CONFIG") or _default_path(environ))

    def names(self) -> list[str]:
        """The names of the contexts."""
        return sorted(self._load()["contexts"])

    @property
    def current(self) -> str:
        """The name of the one that is used when none is named; empty when there is none."""
        return str(self._load()["current"])

    def get(self, name: str = "") -> PortalAccess:
        """A context by its name, or the current one; an empty one when there is none yet. Raises `CliError`."""
        data = self._load()
        wanted = name or data["current"]
        found = data["contexts"].get(wanted)
        if found is None and name:
            known = ", ".join(sorted(data["contexts"])) or "none"
            raise CliError(f"There is no context {name!r}: known are {known}.", ExitCode.NOT_FOUND)
        return PortalAccess(**{key: str(found.get(key, "")) for key in _VARIABLES}) if found else PortalAccess()

    def save(self, name: str, access: PortalAccess) -> None:
        """Store a context and use it from now on."""
        data = self._load()
        data["contexts"][name] = access._asdict()
        data["current"] = name
        self._write(data)

    def use(self, name: str) -> None:
        """Use this one from now on. Raises `CliError`."""
        self.get(name)
        self._write({**self._load(), "current": name})

    def remove(self, name: str) -> None:
        """Forget a context and its key. Raises `CliError`."""
        self.get(name)
        data = self._load()
        del data["contexts"][name]
        if data["current"] == name:
            data["current"] = next(iter(sorted(data["contexts"])), "")
        self._write(data)

    def _load(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            data = {}
        except (OSError, ValueError) as error:
            raise CliError(f"{self.path} cannot be read ({error}): repair or delete it.", ExitCode.USAGE) from None
        contexts = data.get("contexts") if isinstance(data, dict) else None
        if not isinstance(contexts, dict):
            return {"current": "", "contexts": {}}
        whole = {name: each for name, each in contexts.items() if isinstance(each, dict)}
        return {"current": str(data.get("current") or ""), "contexts": whole}

    def _write(self, data: Mapping[str, Any]) -> None:
        """Replace the file in one step; it is never readable by others, not even for a moment."""
        import tempfile

        text = json.dumps(data, indent=2, sort_keys=True)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".config-")  # 0600 from the beginning
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                Path(name).replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise CliError(f"{self.path} cannot be written: {error.strerror or error}.") from None


def _default_path(environ: Mapping[str, str]) -> Path:
    folder = environ.get("APPDATA") if os.name == "nt" else environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "corral" / "config.json"
