"""Testing an account at a registry before it is stored, through the engine of a host.

The portal never connects to a registry by itself: who may write an address here must not learn what the portal's own
network answers, and many registries are reached by the hosts only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from apps.containers.registry_verdicts import ACCEPTED, NO_HOST, RegistryVerdict, read_refusal
from apps.control.services import record
from apps.core.errors import Forbidden, Problem
from apps.drivers.base import EngineDown, EngineError
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.vault.registries.logins import RegistryLogin

MAX_HOSTS = 3  # a host that does not answer is not the registry's fault; more than three of them are enough to say so
_running = threading.BoundedSemaphore(4)  # each holds a thread of the portal for up to 40 seconds

_NO_HOST = RegistryVerdict(
    NO_HOST, "No host of this environment answers, so it could not be tested.", "Add a host, or test it later."
)


def registry_check(
    *, actor: Actor, environment: Environment, login: RegistryLogin, host: Host | None = None
) -> RegistryVerdict:
    """Have a host (`host`, or one that answers) log in to the registry. Raises `Forbidden`, `Problem` (429)."""
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    hosts = [host] if host is not None else _answering_hosts(environment.pk)
    if not _running.acquire(blocking=False):
        raise Problem("Other tests of registries are running; try again in a moment.", status=429, retry_after=10)
    try:
        verdict = _check_from(hosts, login)
    finally:
        _running.release()
    request = {"serverAddress": login.domain, "publicValue": login.username, "verdict": verdict.kind}
    record("registry.test", actor=actor, environment_id=environment.pk, request=request)
    return verdict


def _answering_hosts(environment_id: int) -> list[Host]:
    rows = Host.all_objects.filter(environment=environment_id, removed=None, state="active", lost_at=None)
    return list(rows.order_by("pk")[:MAX_HOSTS])


def _check_from(hosts: Iterable[Host], login: RegistryLogin) -> RegistryVerdict:
    """The verdict of the first host whose engine answers."""
    for host in hosts:
        try:
            driver_of(host).log_in(login.auth)
        except EngineDown:
            continue
        except EngineError as error:
            return read_refusal(login.redact(str(error)), login.title, str(host))
        text = f"{login.title} accepts {login.username or 'requests without an account'}, asked by {host}."
        return RegistryVerdict(ACCEPTED, text, host=str(host))
    return _NO_HOST
