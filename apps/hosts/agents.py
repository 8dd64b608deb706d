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

from apps.control.services import ask, create, record
from apps.core.errors import Invalid
from apps.core.events import agent_changed
from apps.core.texts import is_storable
from apps.drivers import registry
from apps.environments.access import Actor
from apps.hosts.models import AGENT, AgentCredential, Host, RegistrationToken
from apps.hosts.selectors import endpoint_of
from apps.hosts.tunnels.keys import ssh_key

_LABELS, _LABEL = 100, 255


@dataclass(frozen=True, slots=True)
class Registered:
    """A new credential; `secret` is known here and now only."""

    credential: AgentCredential
    secret: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What an agent says of itself when it registers."""

    request: str
    public_key: str
    hostname: str
    address: str
    labels: Mapping[str, str]
    engine_id: str
    version: str
    simulated: bool

    @classmethod
    def read(cls, said: Any) -> Claim:
        """The claim in a request's body; raises `Invalid` naming the field."""
        if not isinstance(said, Mapping):
            raise Invalid("body", "InvalidFormat", "The body must be a JSON object.")
        key = ssh_key(_text(said, "publicKey", 1000))
        if key is None:
            raise Invalid("publicKey", "InvalidFormat", "publicKey is an ed25519 key in OpenSSH's form.")
        return cls(
            request=_text(said, "key", 128),
            public_key=key,
            hostname=_text(said, "hostname", 255),
            address=_text(said, "address", 64, needed=False),
            labels=_labels(said.get("labels") or {}),
            engine_id=_text(said, "engineId", 128),
            version=_text(said, "agentVersion", 32, needed=False),
            simulated=said.get("simulated") is True,
        )


def _text(said: Mapping[str, Any], name: str, limit: int, *, needed: bool = True) -> str:
    value = said.get(name) or ""
    value = value.strip() if isinstance(value, str) else value
    if not isinstance(value, str) or not value.isprintable():
        raise Invalid(name, "InvalidFormat", f"{name} is a text of one line.")
    if needed and not value:
        raise Invalid(name, "MissingRequired", f"{name} is required.")
    if len(value) > limit:
        raise Invalid(name, "MaxLengthExceeded", f"{name} has at most {limit} characters.")
    return value


def _labels(said: Any) -> dict[str, str]:
    if not isinstance(said, Mapping) or len(said) > _LABELS:
        raise Invalid("labels", "InvalidFormat", f"labels is a map of at most {_LABELS} texts.")
    for pair in said.items():
        if not all(isinstance(part, str) and part.isprintable() and len(part) <= _LABEL for part in pair):
            raise Invalid("labels", "InvalidFormat", f"Labels are texts of at most {_LABEL} characters.")
    return dict(said)


def agent_register(token: RegistrationToken, said: Any, *, address: str) -> Registered:
    """A credential for the agent that says `said`, calling from `address`; its host is made unless it is there.

    The same engine in the same environment is the same host: its older credentials end. Raises `Invalid`, also for
    an engine that is a host of another environment.
    """
    claim = Claim.read(said)
    with transaction.atomic():
        RegistrationToken.all_objects.select_for_update().get(
            pk=token.pk
        )  # one at a time: a repetition finds the first
        row = _twin(token, claim)
        row = _returning(row, claim) if row else _new_host(token, claim, address)
        credentials_revoke(row)
        made = _credential(row, claim, address)
        actor = Actor(None, "agent", address=address)
        told = {"hostname": claim.hostname, "address": claim.address, "labels": dict(claim.labels)}
        record("host.register", actor=actor, row=row, environment_id=row.environment_id, request=told)
    return made


def _twin(token: RegistrationToken, claim: Claim) -> Host | None:
    rows = Host.all_objects.filter(engine_id=claim.engine_id, removed=None).exclude(desired__in=("removed", "purged"))
    twin: Host | None = rows.filter(environment=token.environment_id).first()
    if twin is None and rows.exists():
        raise Invalid(
            "engineId", "NotUnique", "This engine is a host of another environment already; remove it there first."
        )
    return twin


def _new_host(token: RegistrationToken, claim: Claim, address: str) -> Host:
    key = uuid.uuid4()
    row = Host(
        environment=token.environment,
        uuid=key,
        url=f"{AGENT}{key}",
        name=claim.hostname,
        labels=dict(claim.labels),
        address=claim.address or address,
        engine_id=claim.engine_id,
        hostname=claim.hostname,
        agent=_facts(claim),
        desired="active",
    )
    create(row, actor=None, request={"hostname": claim.hostname, "labels": dict(claim.labels)})
    return row


def _returning(row: Host, claim: Claim) -> Host:
    """The host of an engine that registers again: what the command says anew wins, also over another way to it."""
    wanted = {"url": f"{AGENT}{row.uuid}", "labels": {**row.labels, **claim.labels}}
    if claim.address:
        wanted["address"] = claim.address
    changes = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    Host.all_objects.filter(pk=row.pk).update(agent=_facts(claim))
    if changes:
        registry.forget(endpoint_of(row))
        ask(row, "update", actor=None, changes=changes, request=changes)
    return row


def _facts(claim: Claim) -> dict[str, Any]:
    return {"version": claim.version, "simulated": claim.simulated}


def _credential(row: Host, claim: Claim, address: str) -> Registered:
    secret = secrets.token_urlsafe(40)
    made = AgentCredential.objects.create(
        host=row,
        access_key=secrets.token_hex(10).upper(),
        secret_hash=_digest(secret),
        public_key=claim.public_key,
        request=claim.request,
        address=address,
    )
    return Registered(made, secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def credentials_revoke(row: Host) -> int:
    """End the host's credentials, and with them its tunnels, wherever they are held; how many ended."""
    ended = AgentCredential.objects.filter(host=row, revoked=None).update(revoked=timezone.now())
    if ended:
        agent_changed(row.pk)
    return ended


def agent_of(access_key: str, secret: str) -> AgentCredential | None:
    """The credential in force with this pair, and its host; None for a wrong, ended or removed host's one."""
    found = _in_force().filter(access_key=access_key).first() if is_storable(access_key) else None
    same = hmac.compare_digest(found.secret_hash if found else "", _digest(secret))
    return found if found and same else None


def is_in_force(credential_id: int) -> bool:
    """Whether the credential still counts."""
    return bool(_in_force().filter(pk=credential_id).exists())


def _in_force() -> Any:
    return AgentCredential.objects.select_related("host").filter(revoked=None, host__removed=None)


def registered(token: RegistrationToken, request: str) -> AgentCredential | None:
    """What an agent that registered under this random key got, while it counts."""
    mine = _in_force().filter(host__environment=token.environment_id)
    found: AgentCredential | None = mine.filter(request=request).last() if request and is_storable(request) else None
    return found
