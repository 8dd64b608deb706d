"""Single requests that keep the processor busy: those of a key (`--key`) whose owner means no good."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote

from bench.attack.victim import Bystander, Victim


def quadratic_identity(victim: Victim) -> Iterator[str]:
    """Blanks that a pattern walks again from each of them."""
    for blanks in (2_500, 5_000, 10_000, 20_000):
        path = f"/v1/identities/1i!ldap_user:{quote('a' + ' ' * blanks + 'b', safe=':!')}"
        yield f"{blanks} blanks: {_timed(victim, 'GET', path)}"


def redaction_bomb(victim: Victim) -> Iterator[str]:
    """A refused request whose secrets are to be found in each of its long texts."""
    for fields in (750, 1_500, 3_000, 6_000):
        body: dict[str, str] = {f"f{number}password": f"secret-{number:08}" for number in range(fields)}
        body |= {f"text{number}": "x" * 16_000 for number in range(40)}
        yield f"{fields} secrets: {_timed(victim, 'POST', '/v1/environments', json.dumps(body).encode())}"


def nesting(victim: Victim) -> Iterator[str]:
    """Maps in maps."""
    for depth in (100, 450, 5_000):
        body = b'{"name": 1, "x": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        yield f"{depth} deep: {_timed(victim, 'POST', '/v1/environments', body)}"


def _timed(victim: Victim, method: str, path: str, body: bytes = b"") -> str:
    with Bystander(victim) as bystander:
        began = time.monotonic()
        answer = victim.request(method, path, body)
        took = time.monotonic() - began
    return f"answer {answer} after {took:.2f} s; a bystander waited {bystander.worst:.2f} s"
