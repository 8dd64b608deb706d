"""The agent's state: its key, its credential and the portal's key, in one file that only its owner may read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from corral_agent import keys
from corral_agent.private_file import write_private

_FILE = "agent.json"


class BadState(Exception):
    """The state folder cannot be used; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class State:
    """Keys are in OpenSSH's format. `source` is a fingerprint of the registration URL, which holds a secret."""

    private_key: str = field(default="", repr=False)
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    portal_key: str = ""
    tunnel_url: str = ""
    host_id: str = ""
    engine_id: str = ""
    source: str = ""
    refused: bool = False


def url_fingerprint(url: str) -> str:
    """A fingerprint of a registration URL."""
    return hashlib.sha256(url.encode()).hexdigest()


def _parse_state(found: dict[str, Any]) -> State:
    """From a file's JSON. Raises `TypeError` or `AttributeError` for one that no agent wrote."""
    known = {one.name: type(one.default) for one in fields(State)}
    values = {key: value for key, value in found.items() if key in known}
    if not all(type(value) is known[key] for key, value in values.items()):
        raise TypeError("a value of another type")
    return State(**values)


class Store:
    """The state and its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / _FILE
        self.state = self._load()

    def _load(self) -> State:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _parse_state(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise BadState(f"The state folder {self.folder} cannot be used: {error.strerror}.") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise self._damaged("is damaged") from None

    def check(self) -> None:
        """Raise `BadState` unless the keys can be used, and a registered host has both."""
        state = self.state
        try:
            if state.private_key or state.access_key:
                keys.load_private_key(state.private_key)
            if state.portal_key or state.access_key:
                keys.load_public_key_data(state.portal_key)
        except keys.BadKey as error:
            raise self._damaged(f"is damaged, {error}") from None

    def _damaged(self, message: str) -> BadState:
        return BadState(
            f"{self._path} {message}: remove it and register this host again,"
            " with the command of the portal's Add Host page."
        )

    def update(self, **changed: str | bool) -> State:
        """Change the state and save it: whole or not at all, even if the power fails. Raises `BadState`."""
        self.state = replace(self.state, **changed)  # type: ignore[arg-type]  # names are checked by replace itself
        try:
            write_private(self._path, json.dumps(asdict(self.state)), is_synced=True)
        except OSError as error:
            raise BadState(f"{self._path} cannot be written: {error.strerror}.") from None
        return self.state
