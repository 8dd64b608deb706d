"""A request of the API as people repeat it elsewhere: with curl, with `corral`, in an Ansible playbook. Pure.

No snippet holds a credential: a key comes from the environment variables that `corral` reads too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.secret_fields import is_secret_field

ACCESS_KEY, SECRET_KEY = "CORRAL_ACCESS_KEY", "CORRAL_SECRET_KEY"
HIDDEN = "********"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request: `url` is absolute, `body` the JSON that goes with it, `command` what `corral` has for it."""

    method: str
    url: str
    body: Mapping[str, Any] | None = None
    command: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to write a request down."""

    tool: str
    text: str


def snippets_of(request: ApiRequest) -> list[Snippet]:
    """The request for curl, for `corral` where it has a command for it, and for Ansible."""
    found = [Snippet("curl", _curl(request))]
    if request.command:
        found.append(Snippet("corral", shlex.join(("corral", *request.command))))
    return [*found, Snippet("Ansible", _ansible(request))]


def without_secrets(value: Any) -> Any:
    """The same JSON with every text hidden whose name says that it is a secret."""
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(name, each) else without_secrets(each) for name, each in value.items()}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and is_secret_field(name)


def _json(request: ApiRequest) -> str:
    return json.dumps(without_secrets(request.body), ensure_ascii=False)


def _curl(request: ApiRequest) -> str:
    words = [f'curl -u "${ACCESS_KEY}:${SECRET_KEY}" -X {request.method}']
    if request.body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_json(request))}"]
    return " \\\n  ".join([*words, shlex.quote(request.url)])


def _ansible(request: ApiRequest) -> str:
    """A task; JSON is YAML too, so that every text is quoted as it must be."""
    title = request.title or f"{request.method} {request.url}"
    lines = [
        f"- name: {_yaml(title)}",
        "  ansible.builtin.uri:",
        f"    url: {_yaml(request.url)}",
        f"    method: {request.method}",
        f"    url_username: \"{{{{ lookup('env', '{ACCESS_KEY}') }}}}\"",
        f"    url_password: \"{{{{ lookup('env', '{SECRET_KEY}') }}}}\"",
        "    force_basic_auth: true",
    ]
    if request.body is not None:
        lines += ["    body_format: json", f"    body: {_yaml(without_secrets(request.body))}"]
    return "\n".join([*lines, "    status_code: [200, 201, 202]"])


def _yaml(value: Any) -> str:
    """A value as JSON that Ansible takes as it is: braces of its templates are data here."""
    text = json.dumps(value, ensure_ascii=False)
    return f"!unsafe {text}" if "{{" in text or "{%" in text else text
