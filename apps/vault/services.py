"""Changes to certificates: adding, renewing and removing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.control.services import create, request_change
from apps.core.edits import require_unchanged
from apps.core.errors import Invalid
from apps.core.texts import is_storable
from apps.core.unique import unique_or
from apps.environments.access import verdict
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.vault.certificate_facts import ParsedCertificate, read_certificate, read_chain
from apps.vault.models import Certificate
from apps.vault.private_key import read_private_key, require_match
from apps.vault.selectors import users_of_certificates

NAME_ONCE = "certificate_name_once"
MAX_NAME = 255
MAX_USERS_NAMED = 5
_EDITED = ("name", "description", "cert", "cert_chain")


def certificate_create(
    *,
    actor: Actor,
    environment: Environment,
    name: str,
    cert: str,
    key: str,
    cert_chain: str = "",
    description: str = "",
) -> Certificate:
    """A new certificate, checked with its key and chain.

    Raises `Invalid` (the field says which of the texts is wrong and why), `Forbidden`.
    """
    checked = check_name(name, environment.pk)
    parsed = read_certificate("cert", cert)
    private, pem = read_private_key("key", key)
    require_match("key", parsed, private)
    row = Certificate(
        environment=environment,
        name=checked,
        description=description,
        key=pem,
        cert_chain=_chain_of(cert_chain, parsed),
        **parsed.columns(),
    )
    request = {"name": checked, "description": description, "cert": parsed.pem, "certChain": row.cert_chain, "key": pem}
    with unique_or(name_taken(checked), NAME_ONCE):
        create(row, actor=actor, request=request)
    return row


def certificate_update(
    row: Certificate,
    *,
    actor: Actor,
    name: str | None = None,
    description: str | None = None,
    cert: str | None = None,
    cert_chain: str | None = None,
    key: str | None = None,
) -> Certificate:
    """Rename or renew a certificate; its id stays, so that what refers to it follows. Raises as `certificate_create`.

    What is None stays. A new certificate without a key must fit the key that is there.
    """
    changes: dict[str, Any] = {}
    if name is not None and name != row.name:
        changes["name"] = check_name(name, row.environment_id, exclude_pk=row.pk)
    if description is not None:
        changes["description"] = description
    changes |= _renewal(row, cert, cert_chain, key)
    _require_current(row, changes)
    request = _describe_changes(changes)
    with unique_or(name_taken(name or row.name), NAME_ONCE):
        request_change(row, "update", actor=actor, changes=changes, request=request)
    return row


def _require_current(row: Certificate, changes: Mapping[str, Any]) -> None:
    """Raise `StaleEdit` when somebody else changed the same since the edit started.

    Here and not in `request_change`, whose refusal names each value that differs: the key is never to be among them,
    and what is read from a certificate comes from no form.
    """
    current = {name: getattr(row, name) for name in _EDITED}
    require_unchanged(row.name, row.based_on, current, {name: changes[name] for name in _EDITED if name in changes})
    row.based_on = None


def _renewal(row: Certificate, cert: str | None, cert_chain: str | None, key: str | None) -> dict[str, Any]:
    """The columns of new certificate, key and chain, checked with each other and with what stays."""
    if cert is None and cert_chain is None and key is None:
        return {}
    if row.acme:
        field = "cert" if cert is not None else "key" if key is not None else "certChain"
        raise Invalid(
            field,
            "InvalidOption",
            f"{field}: an authority issues and renews this certificate. Add another one to use your own.",
        )
    parsed = read_certificate("cert", row.cert if cert is None else cert)
    changes: dict[str, Any] = {}
    if cert is not None or key is not None:
        private, pem = read_private_key("key", row.key if key is None else key)
        require_match("key", parsed, private)
        changes = {**parsed.columns(), "key": pem}
    if cert_chain is not None:
        changes["cert_chain"] = _chain_of(cert_chain, parsed)
    return changes


def certificate_act(row: Certificate, action: str, *, actor: Actor) -> Certificate:
    """Carry out an action of the life cycle that takes no values."""
    if action == "remove":
        return certificate_remove(row, actor=actor)
    request_change(row, action, actor=actor)
    return row


def certificate_remove(row: Certificate, *, actor: Actor) -> Certificate:
    """Delete a certificate. Raises `Invalid` (`InvalidAction`) while something serves with it."""
    # What begins to serve with it at this very moment goes without: a balancer shows the certificates that are there.
    if verdict(actor, "remove", row):
        _require_unused(row)
    request_change(row, "remove", actor=actor)
    return row


def _require_unused(row: Certificate) -> None:
    users = users_of_certificates([row.pk]).get(row.pk, [])
    if not users:
        return
    names = ", ".join(each.name for each in users[:MAX_USERS_NAMED])
    more = f" and {len(users) - MAX_USERS_NAMED} more" if len(users) > MAX_USERS_NAMED else ""
    raise Invalid(
        "action",
        "InvalidAction",
        f"{row.name} is in use by {names}{more}; give them another certificate first.",
    )


def remove_environment_certificates(environment_id: int) -> int:
    """Request the removal of every certificate of an environment that is being removed; return how many are left."""
    left = 0
    for row in Certificate.all_objects.filter(environment=environment_id).exclude(state="removed"):
        left += 1
        if not row.removal_requested:
            request_change(row, "remove", actor=None)
    return left


def check_name(name: object, environment_id: int, exclude_pk: int | None = None) -> str:
    """A certificate's name, free in its environment. Raises `Invalid`."""
    if not isinstance(name, str) or not name.strip():
        raise Invalid("name", "MissingRequired", "Give the certificate a name, such as that of its domain.")
    checked = name.strip()
    if len(checked) > MAX_NAME:
        raise Invalid("name", "MaxLengthExceeded", f"name has at most {MAX_NAME} characters.")
    if not is_storable(checked) or not checked.isprintable():
        raise Invalid("name", "InvalidCharacters", "name is one line of printable characters.")
    taken = Certificate.all_objects.filter(environment=environment_id, name__iexact=checked, removed=None)
    if taken.exclude(pk=exclude_pk).exists():
        raise name_taken(checked)
    return checked


def name_taken(name: str) -> Invalid:
    """The refusal of a name that another certificate has."""
    return Invalid(
        "name", "NotUnique", f"There is a certificate {name!r} already; choose another name, or renew that one."
    )


def _chain_of(text: str, parsed: ParsedCertificate) -> str:
    """A chain as it is stored, without the certificate itself: many authorities' files begin with it."""
    return "".join(each.pem for each in read_chain("certChain", text) if each.pem != parsed.pem)


def _describe_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What was requested, by the wire's names, for the audit log; which blanks the key."""
    wire_names = {"cert_chain": "certChain"}
    return {
        wire_names.get(name, name): value
        for name, value in changes.items()
        if name in {"name", "description", "cert", "cert_chain", "key"}
    }
