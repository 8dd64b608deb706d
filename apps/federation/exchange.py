"""A job's identity token for a short key: verified, compared with the rules, and exchanged once (ADR 36).

Whoever calls has no account, so the answer says only what kind of thing is wrong; what exactly is said where the rule
is, to those who may read it, and only for tokens that are genuine and of the rule's own repository or project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.login.throttle import login_attempt
from apps.accounts.services import NewKey
from apps.control.services import record, record_response
from apps.core.errors import Forbidden, Invalid, Problem, TooManyRequests
from apps.core.events import row_changed
from apps.core.unique import unique_or
from apps.environments.actor import Actor, actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_key_create
from apps.federation.claim_rules import first_mismatch, is_about
from apps.federation.id_token import TokenInvalid, UnverifiedToken, VerifiedToken, read_unverified, verify
from apps.federation.issuer_store import issuer_key
from apps.federation.jobs import job_of, kept_claims, subject_of
from apps.federation.models import TokenExchange, TrustRule

MAX_LIVE_KEYS = 100  # of one rule: more is a loop, or a job that does not stop
AUTH_TYPE = "TokenExchange"
_DIGEST_ONCE = ("federation_tokenexchange.digest", "federation_tokenexchange_digest")

UNKNOWN, CONDITIONS, REPLAYED, OWNER = "unknown", "conditions", "replayed", "owner"
_ANSWERS = {
    "malformed": "it is no signed JWT of at most 16 KB",
    "signature": "its signature is not one of its issuer's",
    "time": "it is not valid at this time",
    "audience": "none is for its issuer and audience",
    UNKNOWN: "none in that environment is for its issuer and audience",
    CONDITIONS: "its claims do not meet the conditions of any",
    REPLAYED: "it was exchanged already; get a new one for each log-in",
    OWNER: "the rule's owner may not give such a key any more",
}


class TokenRefused(Problem):
    """The token is exchanged for nothing; the message is fit for anybody, `kind` is the word for it."""

    status = 400
    code = "InvalidToken"

    def __init__(self, kind: str) -> None:
        super().__init__(f"No rule of this portal accepts this token: {_ANSWERS[kind]}.")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """A token, the number of the environment in which the key is to act, and from where both come.

    Whoever sends the token says which environment: anybody may have a rule that accepts it, and a job must not be led
    into an environment of somebody else, whose name may be the same.
    """

    token: str
    environment: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class ExchangedKey:
    """The key that a job was given; `expires_in` in seconds."""

    access_key: str
    secret_key: str
    environment: Environment
    role: str
    expires_in: int


def token_exchange(request: ExchangeRequest) -> ExchangedKey:
    """A short key of the environment, if one of its rules accepts the token. Not to be called inside a transaction.

    Raises `TokenRefused`, `TooManyRequests` (too many refusals of this address, or keys of this rule), `IssuerBusy`.
    """
    # The name is the token's own: one for all tokens of an issuer would let anybody lock the others out.
    name = f"token {hashlib.sha256(request.token.encode(errors='replace')).hexdigest()[:16]}"
    with login_attempt(name, request.address, via="api"):
        try:
            token = read_unverified(request.token)
        except TokenInvalid as problem:
            raise TokenRefused(problem.kind) from None
        return _exchange(token, request)


def _exchange(token: UnverifiedToken, request: ExchangeRequest) -> ExchangedKey:
    rules = _rules_for(token, request.environment)
    if not rules:  # before anything is fetched: nobody here trusts that issuer
        raise TokenRefused(UNKNOWN)
    try:
        verified = verify(token, issuer_key(token.issuer, token.key_id), {rule.audience for rule in rules})
    except TokenInvalid as problem:
        if problem.claims is not None:
            _refuse_each(rules, problem.claims, str(problem), request)
        raise TokenRefused(problem.kind) from None
    rule = _choose(rules, verified, request)
    return _give_key(rule, token, verified, request)


def _rules_for(token: UnverifiedToken, environment: int) -> list[TrustRule]:
    """The rules of the environment for this issuer and audience that count: neither it nor they are off."""
    rows = TrustRule.all_objects.filter(
        environment=environment,
        issuer=token.issuer,
        audience__in=token.audiences,
        desired="active",
        environment__desired="active",
    )
    return list(rows.select_related("environment", "account").order_by("pk"))


def _choose(rules: Sequence[TrustRule], verified: VerifiedToken, request: ExchangeRequest) -> TrustRule:
    """The rule whose key the job gets: of several, the oldest. Raises `TokenRefused`."""
    for rule in rules:
        if first_mismatch(rule.conditions, verified.claims) is None:
            return rule
    for rule in rules:
        if is_about(rule.conditions, verified.claims):
            reason = str(first_mismatch(rule.conditions, verified.claims))
            _record_refusal(rule, verified.claims, reason, request)
    raise TokenRefused(CONDITIONS)


def _give_key(
    rule: TrustRule, token: UnverifiedToken, verified: VerifiedToken, request: ExchangeRequest
) -> ExchangedKey:
    now = timezone.now()
    _require_room(rule, now)
    exchange = _new_exchange(rule, token, verified, request, now + timedelta(minutes=rule.minutes))
    try:
        # The row first: of two requests with the same token, one is refused before any key is made.
        with transaction.atomic(), unique_or(TokenRefused(REPLAYED), *_DIGEST_ONCE):
            exchange.save()
            _require_unchanged(rule)
            actor = _owner_of(rule, request)
            made = _make_key(exchange, actor)
            TrustRule.all_objects.filter(pk=rule.pk).update(last_used=now)
    except TokenRefused as problem:
        if problem.kind == REPLAYED:
            _record_refusal(rule, verified.claims, "the token was exchanged already", request)
        raise
    except (Forbidden, Invalid) as problem:
        _record_refusal(rule, verified.claims, f"its owner may not give the key: {problem.message}", request)
        raise TokenRefused(OWNER) from None
    record_response(actor, 200, {}, event="trustRule.exchange", environment_id=rule.environment_id, request={})
    row_changed(rule.environment_id, rule.KIND, rule.pk)
    return ExchangedKey(made.key.public_value, made.secret, rule.environment, rule.role, rule.minutes * 60)


def _make_key(exchange: TokenExchange, actor: Actor) -> NewKey:
    """The key of the job, with the record of what it was given for."""
    rule = exchange.rule
    made = environment_key_create(
        actor=actor,
        environment=rule.environment,
        role=rule.role,
        name=f"{exchange.job} ({rule.name})"[:255],
        description=f"Given for a token of {rule.issuer} by the trust rule {rule.name}."[:1024],
        expires=exchange.key_ends,
    )
    TokenExchange.objects.filter(pk=exchange.pk).update(key=made.key, key_number=made.key.pk)
    details = {**_describe(rule, exchange.claims, exchange.subject), "job": exchange.job, "jobUrl": exchange.job_url}
    record(
        "trustRule.exchange",
        actor=replace(actor, api_key=made.key),  # so that the entry is found with what the key does
        row=rule,
        environment_id=rule.environment_id,
        request={**details, "role": rule.role, "minutes": rule.minutes},
        code="200",
    )
    return made


def _require_unchanged(rule: TrustRule) -> None:
    """Hold the rule until the key is made: whoever changes it ends the keys that it gave, this one among them.

    Raises `TokenRefused` for a rule that was changed since it was read.
    """
    held = TrustRule.all_objects.select_for_update(no_key=True).filter(pk=rule.pk, generation=rule.generation)
    if not list(held.values_list("pk", flat=True)):
        raise TokenRefused(UNKNOWN)


def _require_room(rule: TrustRule, now: datetime) -> None:
    live = TokenExchange.objects.filter(rule=rule, key_ends__gt=now)
    if live.count() >= MAX_LIVE_KEYS:
        oldest = live.order_by("key_ends").values_list("key_ends", flat=True)[0]
        wait = max(1, int((oldest - now).total_seconds()))
        text = f"This rule has given {MAX_LIVE_KEYS} keys that have not ended; try again in {wait} seconds."
        raise TooManyRequests(text, retry_after=wait)


def _new_exchange(
    rule: TrustRule, token: UnverifiedToken, verified: VerifiedToken, request: ExchangeRequest, ends: datetime
) -> TokenExchange:
    job = job_of(token.issuer, verified.claims)
    return TokenExchange(
        rule=rule,
        digest=verified.digest,
        subject=subject_of(verified.claims),
        job=job.name,
        job_url=job.url[:1024],
        claims=kept_claims(verified.claims, rule.conditions),
        address=request.address[:64],
        token_ends=verified.ends,
        key_ends=ends,
    )


def _owner_of(rule: TrustRule, request: ExchangeRequest) -> Actor:
    """Who answers for the rule, with what they may do now. Raises `Forbidden` for nobody, or an inactive account."""
    if rule.account is None or not rule.account.is_active:
        raise Forbidden("the account that made the rule, or last changed whom it trusts, is not active any more")
    found = actor_of_user(rule.account, "api", address=request.address)
    return Actor(found.user, "api", address=request.address, auth_type=AUTH_TYPE)


def _refuse_each(rules: Iterable[TrustRule], claims: Mapping[str, Any], reason: str, request: ExchangeRequest) -> None:
    for rule in rules:
        if is_about(rule.conditions, claims):
            _record_refusal(rule, claims, reason, request)


def _record_refusal(rule: TrustRule, claims: Mapping[str, Any], reason: str, request: ExchangeRequest) -> None:
    """Say at the rule, and in its environment's audit log, why a job that it is about got no key."""
    TrustRule.all_objects.filter(pk=rule.pk).update(last_refused=timezone.now(), last_refusal=reason[:700])
    details = {**_describe(rule, kept_claims(claims, rule.conditions), subject_of(claims)), "reason": reason}
    record(
        "trustRule.reject",
        actor=None,
        row=rule,
        environment_id=rule.environment_id,
        request=details,
        address=request.address,
        via="api",
        code="400",
    )
    row_changed(rule.environment_id, rule.KIND, rule.pk)


def _describe(rule: TrustRule, claims: Mapping[str, str], subject: str) -> dict[str, Any]:
    return {"rule": rule.name, "issuer": rule.issuer, "subject": subject, "claims": dict(claims)}
