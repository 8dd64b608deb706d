"""Agents: how one registers with an environment's token, and what it proves itself with from then on."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.control.services import create, record, request_change
from apps.core.errors import Conflict, Invalid
from apps.core.events import agent_changed
from apps.core.texts import is_storable
from apps.drivers import registry
from apps.environments.actor import Actor
from apps.hosts.engine_ownership import ENGINE_TAKEN
from apps.hosts.models import (
    AGENT_SCHEME,
    AgentCredential,
    Host,
    RegistrationToken,
)
from apps.hosts.selectors import endpoint_of
from apps.hosts.tunnels.keys import normalize_ssh_key

_MAX_LABELS, _MAX_LABEL_LENGTH = 100, 255
_MAX_ATTEMPT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new credential; `secret` is only known here, and never stored."""

    credential: AgentCredential
    secret: str


@dataclass(frozen=True, slots=True)
class AgentRegistration:
    """What an agent reports about itself when it registers."""

    request: str
    attempt: int
    public_key: str
    hostname: str
    address: str
    labels: Mapping[str, str]
    engine_id: str
    version: str
    simulated: bool

    @classmethod
    def parse(cls, body: Any) -> AgentRegistration:
        """The claim in a request's body; raises `Invalid` naming the field."""
        if not isinstance(body, Mapping):
            raise Invalid("body", "InvalidFormat", "The body must be a JSON object.")
        key = normalize_ssh_key(_read_text(body, "publicKey", 1000))
        if key is None:
            raise Invalid("publicKey", "InvalidFormat", "publicKey is an ed25519 key in OpenSSH's form.")
        return cls(
            request=_read_text(body, "key", 128),
            attempt=_read_attempt(body.get("attempt", 1)),
            public_key=key,
            hostname=_read_text(body, "hostname", 255),
            address=_read_text(body, "address", 64, required=False),
            labels=_read_labels(body.get("labels") or {}),
            engine_id=_read_text(body, "engineId", 128),
            version=_read_text(body, "agentVersion", 32, required=False),
            simulated=body.get("simulated") is True,
        )


def _read_text(body: Mapping[str, Any], name: str, limit: int, *, required: bool = True) -> str:
    value = body.get(name) or ""
    value = value.strip() if isinstance(value, str) else value
    if not isinstance(value, str) or not value.isprintable():
        raise Invalid(name, "InvalidFormat", f"{name} is a text of one line.")
    if required and not value:
        raise Invalid(name, "MissingRequired", f"{name} is required.")
    if len(value) > limit:
        raise Invalid(name, "MaxLengthExceeded", f"{name} has at most {limit} characters.")
    return value


def _read_attempt(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MAX_ATTEMPT:
        raise Invalid("attempt", "InvalidFormat", "attempt is the number of the try, from 1.")
    return value


def _read_labels(body: Any) -> dict[str, str]:
    if not isinstance(body, Mapping) or len(body) > _MAX_LABELS:
        raise Invalid("labels", "InvalidFormat", f"labels is a map of at most {_MAX_LABELS} texts.")
    for pair in body.items():
        if not all(isinstance(part, str) and part.isprintable() and len(part) <= _MAX_LABEL_LENGTH for part in pair):
            raise Invalid("labels", "InvalidFormat", f"Labels are texts of at most {_MAX_LABEL_LENGTH} characters.")
    return dict(body)


def agent_register(token: RegistrationToken, body: Any, *, address: str) -> IssuedCredential:
    """A credential for the agent that sent `body` from `address`; its host is created unless it exists.

    The same engine in the same environment is the same host: its older credentials end. Raises `Invalid`, also for
    an engine that is a host of another environment, and `Conflict` for a try that comes after a later one of its own.
    """
    registration = AgentRegistration.parse(body)
    with transaction.atomic():
        RegistrationToken.all_objects.select_for_update(no_key=True).get(
            pk=token.pk
        )  # one at a time, so that a repeated request finds the first one's host
        row = _find_existing_host(token, registration)
        if row is not None:
            _require_latest_attempt(row, registration)
        row = _update_returning_host(row, registration) if row else _create_host(token, registration, address)
        credentials_revoke(row)
        issued = _issue_credential(row, registration, address)
        actor = Actor(None, "agent", address=address)
        details = {
            "hostname": registration.hostname,
            "address": registration.address,
            "labels": dict(registration.labels),
        }
        record("host.register", actor=actor, row=row, environment_id=row.environment_id, request=details)
    return issued


def _require_latest_attempt(row: Host, registration: AgentRegistration) -> None:
    """Refuse a try that the agent has given up: it knows the credential of a later one, which must not end."""
    later = AgentCredential.objects.filter(host=row, revoked=None, request=registration.request)
    if later.filter(attempt__gt=registration.attempt).exists():
        raise Conflict("The agent has registered by a later try.", field="attempt")


def _find_existing_host(token: RegistrationToken, registration: AgentRegistration) -> Host | None:
    """The environment's host of this engine, confirmed or claimed.

    An agent's word claims no engine: only what the engine itself reports through the tunnel does (`claim_engine`), or
    anybody could keep others from adding an engine whose id he knows.
    """
    rows = Host.all_objects.filter(removed=None).exclude(desired__in=("removed", "purged"))
    owner: Host | None = rows.filter(engine_id=registration.engine_id).first()
    if owner is not None and owner.environment_id != token.environment_id:
        raise Invalid("engineId", "NotUnique", ENGINE_TAKEN)
    claimed = rows.filter(environment=token.environment_id, engine_id="", agent__engineId=registration.engine_id)
    return owner or claimed.first()


def _create_host(token: RegistrationToken, registration: AgentRegistration, address: str) -> Host:
    key = uuid.uuid4()
    row = Host(
        environment=token.environment,
        uuid=key,
        url=f"{AGENT_SCHEME}{key}",
        name=registration.hostname,
        labels=dict(registration.labels),
        address=registration.address or address,
        hostname=registration.hostname,
        agent=_agent_info(registration),
        desired="active",
    )
    create(row, actor=None, request={"hostname": registration.hostname, "labels": dict(registration.labels)})
    return row


def _update_returning_host(row: Host, registration: AgentRegistration) -> Host:
    """The host of an engine that registers again: the new command's values win, also over another kind of endpoint."""
    wanted: dict[str, Any] = {"url": f"{AGENT_SCHEME}{row.uuid}", "labels": {**row.labels, **registration.labels}}
    wanted["system_container"] = False  # the agent does what it did; the next scan removes it
    if registration.address:
        wanted["address"] = registration.address
    changes = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    Host.all_objects.filter(pk=row.pk).update(agent=_agent_info(registration))
    if changes:
        registry.discard_driver(endpoint_of(row))
        request_change(row, "update", actor=None, changes=changes, request=changes)
    return row


def _agent_info(registration: AgentRegistration) -> dict[str, Any]:
    return {
        "version": registration.version,
        "simulated": registration.simulated,
        "engineId": registration.engine_id,
    }


def _issue_credential(row: Host, registration: AgentRegistration, address: str) -> IssuedCredential:
    secret = secrets.token_urlsafe(40)
    issued = AgentCredential.objects.create(
        host=row,
        access_key=secrets.token_hex(10).upper(),
        secret_hash=_digest(secret),
        public_key=registration.public_key,
        request=registration.request,
        attempt=registration.attempt,
        address=address,
    )
    return IssuedCredential(issued, secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def credentials_revoke(row: Host) -> int:
    """Revoke the host's credentials, and with them its tunnels in whatever process; return how many."""
    ended = AgentCredential.objects.filter(host=row, revoked=None).update(revoked=timezone.now())
    if ended:
        agent_changed(row.pk)
    return ended


def authenticate_agent(access_key: str, secret: str) -> AgentCredential | None:
    """The valid credential with this pair, and its host; None for one that is wrong, revoked or of a removed host."""
    found = _valid_credentials().filter(access_key=access_key).first() if is_storable(access_key) else None
    same = hmac.compare_digest(found.secret_hash if found else "", _digest(secret))
    return found if found and same else None


def is_credential_valid(credential_id: int) -> bool:
    """Whether the credential is still valid."""
    return bool(_valid_credentials().filter(pk=credential_id).exists())


def _valid_credentials() -> Any:
    return AgentCredential.objects.select_related("host").filter(revoked=None, host__removed=None)


def find_registration(token: RegistrationToken, request: str) -> AgentCredential | None:
    """The credential of the agent that registered under this random key, while it is valid."""
    mine = _valid_credentials().filter(host__environment=token.environment_id)
    found: AgentCredential | None = mine.filter(request=request).last() if request and is_storable(request) else None
    return found
