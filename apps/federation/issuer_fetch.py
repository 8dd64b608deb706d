"""Asking an issuer for its keys: its discovery document, then what that names, over HTTPS and within bounds.

Tenants choose issuers, so the portal connects to the public internet only, and elsewhere to the networks that the
setting `federation.private.networks` names. Nothing is followed: an answer that leads elsewhere is no answer.
"""

from __future__ import annotations

from apps.core.defaults import setting
from apps.core.egress import UnknownHost, is_permitted, resolve
from apps.core.pinned_http import HttpEndpoint, HttpUnreachable, send_pinned
from apps.core.read_budgets import ISSUER_CALL
from apps.federation.issuer_keys import IssuerKeysInvalid, parse_issuer_keys, parse_json_object
from apps.federation.issuer_url import HttpsUrl, discovery_url, read_https_url


class IssuerUnreachable(Exception):
    """The issuer's keys cannot be had; `str()` says why, to whoever made a rule for it."""


def fetch_issuer_keys(issuer: str) -> str:
    """The issuer's key set as it serves it, found to be usable. Raises `IssuerUnreachable`."""
    document = _fetch(discovery_url(issuer))
    try:
        found = parse_json_object(document)
    except ValueError:
        raise IssuerUnreachable(f"{issuer} serves no discovery document: it is no JSON object.") from None
    if found.get("issuer") != issuer:
        named = str(found.get("issuer"))[:200]
        raise IssuerUnreachable(f"{issuer} says that it is {named!r}: write the issuer like that, letter by letter.")
    address = found.get("jwks_uri")
    url = read_https_url(address) if isinstance(address, str) else None
    if url is None:
        raise IssuerUnreachable(f"{issuer} does not say where its keys are (jwks_uri, over https).")
    keys = _fetch(url)
    try:
        parse_issuer_keys(keys)
        return keys.decode()
    except (IssuerKeysInvalid, UnicodeDecodeError) as problem:
        raise IssuerUnreachable(f"{issuer}: {problem}") from None


def _fetch(url: HttpsUrl) -> bytes:
    try:
        reply = send_pinned(
            "GET",
            url.endpoint,
            url.path or "/",
            {"Accept": "application/json", "User-Agent": "corral"},
            addresses=_addresses_of(url.endpoint),
            budget=ISSUER_CALL,
            authority=setting("federation.authority"),
        )
    except HttpUnreachable as problem:
        raise IssuerUnreachable(str(problem)) from None
    if reply.status != 200:
        raise IssuerUnreachable(f"{url.endpoint.authority}{url.path} answers with status {reply.status}.")
    return reply.body


def _addresses_of(endpoint: HttpEndpoint) -> list[str]:
    try:
        found = resolve(endpoint.host, endpoint.port)
    except UnknownHost as problem:
        raise IssuerUnreachable(str(problem)) from None
    networks = setting("federation.private.networks").split()
    allowed = [each for each in found if is_permitted(each, is_trusted=False, networks=networks)]
    if not allowed:
        raise IssuerUnreachable(
            f"{endpoint.authority} is not on the public internet; an administrator can permit its network with the"
            " setting federation.private.networks."
        )
    return allowed
