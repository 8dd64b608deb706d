"""What one tenant's key may not reach: another's engine, the host beneath, a log-in, the last administrator."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.attack.fake_engines import FakeEngine
from bench.attack.victim import Victim

_LOGS: Mapping[str, dict[str, str]] = {
    "a service of the host": {"syslog-address": "tcp://127.0.0.1:6379", "tag": "x\r\nCONFIG SET dir /etc\r\n"},
    "a file of the host": {"syslog-tls-ca-cert": "../../../etc/shadow"},
    "a socket of the host": {"syslog-address": "UNIX:///var/run/docker.sock"},
}
_BINDS: Mapping[str, dict[str, Any]] = {
    "a folder of the host": {"dataVolumes": ["/:/host"]},
    "the volumes of a foreign container": {"dataVolumesFrom": ["1i999999"]},
}


def shared_engine(victim: Victim) -> Iterator[str]:
    """One engine, added to two environments."""
    engine = FakeEngine(f"shared-{time.time():.0f}")
    try:
        first, made = victim.call("POST", "/v1/engineendpoints", {"url": engine.url})
        if first >= 400:
            yield f"could not be added once: {first} {made.get('message')}"
            return
        time.sleep(5)
        _status, other = victim.call("POST", "/v1/projects", {"name": f"other{time.time():.0f}"}, account=True)
        second, _made = victim.call(
            "POST", f"/v1/projects/{other['id']}/engineendpoints", {"url": engine.url}, account=True
        )
        yield _verdict(second, "the same engine in a second environment")
    finally:
        engine.close()


def log_options(victim: Victim) -> Iterator[str]:
    """Log drivers that speak to the host's services and read its files."""
    for what, options in _LOGS.items():
        body = {"imageUuid": "docker:a", "logConfig": {"driver": "syslog", "config": options}}
        yield _verdict(victim.call("POST", "/v1/containers", body)[0], what)


def host_volumes(victim: Victim) -> Iterator[str]:
    """Volumes that lead to the host. One that is a bind by its options is seen at the engine only: see tests/docker."""
    for what, fields in _BINDS.items():
        status, made = victim.call("POST", "/v1/containers", {"imageUuid": "docker:a", **fields})
        yield _verdict(status, what)
        if "id" in made:
            victim.call("DELETE", f"/v1/containers/{made['id']}")


def readonly_key(victim: Victim) -> Iterator[str]:
    """A key held to `readonly`: its owner's second factor, password and sessions."""
    status, key = victim.call("POST", "/v1/apikeys", {"name": "read", "role": "readonly"}, account=True)
    if status >= 400:
        yield f"no such key can be made: {status} {key.get('message')}"
        return
    reader = Victim(victim.host, victim.port, f"{key['publicValue']}:{key['secretValue']}")
    _status, accounts = reader.call("GET", "/v1/secondfactors")
    rows = accounts.get("data") or []
    for action, body in (("setup", {}), ("enrol", {"code": "000000"}), ("renewcodes", {"code": "000000"})):
        for row in rows:
            answer = reader.call("POST", f"/v1/secondfactors/{row['id']}/?action={action}", body)[0]
            yield _verdict(answer, f"secondfactor {action}")
    _status, sessions = reader.call("GET", "/v1/sessions")
    for row in (sessions.get("data") or [])[:1]:
        yield _verdict(reader.call("DELETE", f"/v1/sessions/{row['id']}")[0], "the end of a session")
    for path, body in (
        ("/v1/passwords", {"publicValue": "x", "secretValue": "y" * 20}),
        ("/v1/apikeys", {"name": "more"}),
    ):
        yield _verdict(reader.call("POST", path, body)[0], f"POST {path}")


def one_name_at_once(victim: Victim) -> Iterator[str]:
    """Eight stacks of one name at the same moment; one may be made."""
    name = f"race{time.time():.0f}"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: victim.call("POST", "/v1/environments", {"name": name}), range(8)))
    answers = Counter(status for status, _body in made)
    yield f"{dict(answers)}: {'held' if answers[201] <= 1 else 'GOT THROUGH'}"
    for _status, body in made:
        if "id" in body:
            victim.call("DELETE", f"/v1/environments/{body['id']}")


def last_administrators(victim: Victim) -> Iterator[str]:
    """The only two administrators, switched off at the same moment."""
    name = f"adm{time.time():.0f}"
    account = {"name": name, "login": name, "kind": "admin", "password": "correct horse battery staple"}
    victim.call("POST", "/v1/accounts", account, account=True)
    _status, found = victim.call("GET", "/v1/accounts?kind=admin", account=True)
    admins = [each["id"] for each in found.get("data") or [] if each["state"] == "active"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda key: victim.call("POST", f"/v1/accounts/{key}/?action=deactivate", {}, account=True)[0],
                admins * 2,
            )
        )
    left = victim.call("GET", "/v1/accounts?kind=admin", account=True)
    yield f"{len(admins)} administrators, {answers}; the key of one is answered {left[0]} afterwards"


def _verdict(status: int, what: str) -> str:
    return f"{what}: {status}, {'GOT THROUGH' if status < 400 else 'held'}"
