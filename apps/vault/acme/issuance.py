"""Getting a certificate from an authority, a step at a time, as the loop reconciles it.

`order` of the row says how far it is: empty before anything was done, `url` and `key` (of the certificate to be) once
ordered, and after a failure `failures`, `again` (not before then) and `reason`. An order that is lost is begun anew;
nothing depends on its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.control.kinds import KINDS
from apps.control.queue import enqueue_after_commit
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.vault.acme.client import AcmeAnswer, AcmeClient, AcmeError, ExternalAccount, describe_problem
from apps.vault.acme.request import signing_request
from apps.vault.acme.signing import decode, key_authorization, new_key
from apps.vault.certificate_facts import read_certificate, read_chain
from apps.vault.expiry import renewal_time
from apps.vault.models import AcmeAccount, AcmeChallenge, Certificate
from apps.vault.private_key import read_private_key, require_match

POLL_SECONDS = 2.0
PREPARE_SECONDS = 5.0
GIVE_UP = timedelta(minutes=10)
# Authorities take five failed proofs of a name in an hour.
FIRST_RETRY, LAST_RETRY = timedelta(minutes=5), timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class IssuanceStep:
    """What one step came to: the observed columns it changes, when the next is due, and what people should know."""

    message: str
    wait: float = POLL_SECONDS
    fields: Mapping[str, Any] = field(default_factory=dict)
    failed: bool = False
    is_done: bool = False


def needs_certificate(row: Certificate, now: datetime) -> bool:
    """Whether an authority is to issue one now: the first, or the next."""
    return bool(row.acme) and (row.is_placeholder or renewal_time(row.issued_at, row.expires_at) <= now)


def advance(row: Certificate, now: datetime) -> IssuanceStep:
    """Take the next step; never raises what the server may cause."""
    order = row.order
    # An edit, or a retry that somebody requested, is another generation: it is tried at once.
    if order.get("again") and order["generation"] == row.generation and (left := _seconds_to(order["again"], now)) > 0:
        return IssuanceStep(order["reason"], wait=left, failed=True)
    if not order:
        return _prepare(row)
    account = _account_of(row)
    try:
        client = AcmeClient(account.directory, account.key, account.url, authority=_authority())
        if not order.get("url"):
            return _begin(row, account, client, now)
        return _continue(row, client, now)
    except AcmeError as error:
        if error.kind == "accountDoesNotExist":
            AcmeAccount.objects.filter(pk=account.pk).update(url="")
        return _failure(row, str(error), now, error.retry_after)


def _prepare(row: Certificate) -> IssuanceStep:
    """Give the balancers at port 80 time to lead the proof to the portal: what is not found costs minutes."""
    for owners in KINDS[row.KIND].owners:
        for kind, key in owners(row):
            enqueue_after_commit(kind, key)
    prepared = {"failures": 0}
    return IssuanceStep("The balancers get ready for the authority.", wait=PREPARE_SECONDS, fields={"order": prepared})


def _seconds_to(moment: str, now: datetime) -> float:
    return (datetime.fromisoformat(moment) - now).total_seconds()


def _account_of(row: Certificate) -> AcmeAccount:
    """The environment's account at the server of the settings; an order begun elsewhere fails there and begins anew."""
    account, _made = AcmeAccount.objects.get_or_create(
        environment_id=row.environment_id, directory=setting("acme.directory"), defaults={"key": new_key()}
    )
    return account


def _authority() -> str:
    """Who certifies the server, as OpenSSL reads it: an input field has only one line. Raises `AcmeError`."""
    try:
        return "".join(each.pem for each in read_chain("acme.authority", setting("acme.authority")))
    except Invalid as error:
        raise AcmeError(f"The setting is wrong: {error.message}") from error


def _external_account() -> ExternalAccount | None:
    """What accounts are bound to, where the settings name it. Raises `AcmeError` for half of it."""
    key_id, text = setting("acme.eab.kid"), setting("acme.eab.hmac")
    if not key_id and not text:
        return None
    if not key_id or not text:
        missing = "acme.eab.hmac" if key_id else "acme.eab.kid"
        raise AcmeError(f"The setting {missing} is missing: an external account has a key identifier and an HMAC key.")
    try:
        return ExternalAccount(key_id, decode(text))
    except ValueError as error:
        raise AcmeError("The setting acme.eab.hmac is wrong: it is written in base64url.") from error


def _begin(row: Certificate, account: AcmeAccount, client: AcmeClient, now: datetime) -> IssuanceStep:
    """Order it, put the answers where the authority will look, and have it look."""
    if not account.url:
        AcmeAccount.objects.filter(pk=account.pk).update(
            url=client.register(row.acme.get("email", ""), _external_account())
        )
    ordered = client.new_order(row.acme["names"])
    ready = []
    for url in _texts(ordered.body.get("authorizations")):
        authorization = client.read(url).body
        if authorization.get("status") != "valid":
            challenge = _http_challenge(authorization)
            AcmeChallenge.objects.update_or_create(
                token=challenge["token"],
                defaults={"answer": key_authorization(challenge["token"], client.key), "certificate": row},
            )
            ready.append(challenge["url"])
    for url in ready:
        client.post(url, {})
    order = {
        "url": ordered.location,
        "key": new_key(),
        "began": now.isoformat(),
        "failures": row.order.get("failures", 0),
    }
    return IssuanceStep(_looking(row), fields={"order": order})


def _looking(row: Certificate) -> str:
    return f"The authority looks for its proof at http://{row.acme['names'][0]}/.well-known/acme-challenge/."


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _http_challenge(authorization: Mapping[str, Any]) -> dict[str, str]:
    for each in authorization.get("challenges") or ():
        if (
            isinstance(each, dict)
            and each.get("type") == "http-01"
            and all(isinstance(each.get(name), str) for name in ("token", "url"))
        ):
            return each
    name = (authorization.get("identifier") or {}).get("value", "a name")
    raise AcmeError(f"The authority offers no proof over HTTP for {name}.")


def _continue(row: Certificate, client: AcmeClient, now: datetime) -> IssuanceStep:
    """Look how the order is, and do what it waits for."""
    found = client.read(row.order["url"])
    status = found.body.get("status")
    if status == "valid":
        return _take(row, client, found, now)
    if status == "invalid":
        return _failure(row, _refusal(client, found.body), now)
    if _seconds_to(row.order["began"], now) < -GIVE_UP.total_seconds():
        return _failure(row, f"The authority did not issue it within {GIVE_UP.seconds // 60} minutes.", now)
    if status == "ready":
        request = signing_request(row.acme["names"], row.order["key"])
        client.post(str(found.body.get("finalize")), {"csr": request})
        return IssuanceStep("The authority issues it.", wait=1.0)
    return IssuanceStep(_looking(row) if status == "pending" else "The authority issues it.")


def _refusal(client: AcmeClient, order: Mapping[str, Any]) -> str:
    """Why an order became invalid: what is said of it, and of each name that was not proved."""
    reasons = [describe_problem(order.get("error"))]
    for url in _texts(order.get("authorizations")):
        authorization = client.read(url).body
        if authorization.get("status") == "invalid":
            name = (authorization.get("identifier") or {}).get("value", "")
            errors = [each.get("error") for each in authorization.get("challenges") or () if isinstance(each, dict)]
            reasons += [f"{name}: {said}" for each in errors if (said := describe_problem(each))]
    return " ".join(filter(None, reasons)) or "The authority gives no reason."


def _take(row: Certificate, client: AcmeClient, order: AcmeAnswer, now: datetime) -> IssuanceStep:
    """Fetch what was issued, check it as if somebody had pasted it, and put it in the place of the older one."""
    text = client.read(str(order.body.get("certificate"))).text
    try:
        first, *chain = read_chain("certificate", text) or [read_certificate("certificate", text)]
        parsed = read_certificate("certificate", first.pem)
        key, pem = read_private_key("key", row.order["key"])
        require_match("certificate", parsed, key)
    except Invalid as error:
        return _failure(row, f"What the authority issued is of no use: {error.message}", now)
    AcmeChallenge.objects.filter(certificate=row).delete()
    columns = {**parsed.columns(), "cert_chain": "".join(each.pem for each in chain), "key": pem}
    return IssuanceStep("", fields={**columns, "order": {}, "is_placeholder": False}, is_done=True)


def _failure(row: Certificate, reason: str, now: datetime, retry_after: float | None = None) -> IssuanceStep:
    """Begin anew later, each time twice as late."""
    failures = min(int(row.order.get("failures", 0)) + 1, 20)
    pause = min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY)
    pause = max(pause, timedelta(seconds=min(retry_after or 0.0, 7 * 86_400.0)))
    order = {
        "failures": failures,
        "again": (now + pause).isoformat(),
        "reason": reason,
        "generation": row.generation,
    }
    return IssuanceStep(reason, wait=pause.total_seconds(), fields={"order": order}, failed=True)
