"""Authenticates people against a directory, through django-auth-ldap with the settings of a configuration."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
import ssl
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ldap
from django.conf import settings as django_settings
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error
from django_auth_ldap.config import LDAPSearch, LDAPSettings

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.config import DirectoryProviderConfig
from apps.accounts.providers.ldap.groups import groups_of
from apps.accounts.providers.ldap.servers import first_reachable_server

ALL_ATTRIBUTES = ["*", "+"]  # operational attributes too, or there is no entryUUID


def identify(kinds: IdentityKinds, config: DirectoryProviderConfig, login: str, password: str) -> Claims | None:
    """The person and the groups, or None for a wrong name or password; raises `DirectoryDown` with the reason."""
    backend = _Backend(kinds, config, _settings(config))
    backend.authenticate(None, username=_without_domain(config, login), password=password)
    return backend.claims


class _Backend(LDAPBackend):  # type: ignore[misc]
    """django-auth-ldap's search, bind and error handling, without its accounts."""

    def __init__(self, kinds: IdentityKinds, config: DirectoryProviderConfig, settings: LDAPSettings) -> None:
        self.kinds, self.config, self.settings = kinds, config, settings
        self.claims: Claims | None = None

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[SimpleNamespace, bool]:
        """Called once the password was right: keep what the directory says, unless the person is disabled there."""
        if not is_disabled(self.config, ldap_user.attrs):
            self.claims = claims_of(self.kinds, self.config, ldap_user)
        return SimpleNamespace(username=username), False  # the library hangs attributes on it and saves nothing


def claims_of(kinds: IdentityKinds, config: DirectoryProviderConfig, entry: Any) -> Claims:
    """What an entry with `dn`, `attrs` and an open `connection` says about its person and the groups."""
    groups = tuple(group_claim(kinds, config, dn, attrs) for dn, attrs in groups_of(config, entry))
    return Claims(person_claim(kinds, config, entry.dn, entry.attrs), groups)


def person_claim(kinds: IdentityKinds, config: DirectoryProviderConfig, dn: str, attrs: Any) -> IdentityClaim:
    """A person's entry as an identity."""
    login = _first_value(attrs, config.user_login) or _first_value(attrs, config.user_search)
    name = _first_value(attrs, config.user_name) or _first_value(attrs, "cn")
    return IdentityClaim(kinds.person, immutable_id(dn, attrs), login, name, dn)


def group_claim(kinds: IdentityKinds, config: DirectoryProviderConfig, dn: str, attrs: Any) -> IdentityClaim:
    """A group's entry as an identity."""
    login = _first_value(attrs, config.group_search)
    name = _first_value(attrs, config.group_name) or login
    return IdentityClaim(kinds.groups[0], immutable_id(dn, attrs), login, name, dn)


def reason_of(exception: ldap.LDAPError) -> str:
    """What libldap reports, in words."""
    detail = exception.args[0] if exception.args and isinstance(exception.args[0], dict) else {}
    if isinstance(exception, ldap.INVALID_CREDENTIALS):
        return "the service account's name or password is wrong"
    if isinstance(exception, ldap.TIMEOUT):
        return "no answer in time"
    if isinstance(exception, ldap.NO_SUCH_OBJECT):
        return "there is nothing at the search base (domain)"
    return " ".join(filter(None, [str(detail.get("desc", "")), str(detail.get("info", ""))])) or str(exception)


def _raise(exception: ldap.LDAPError, **_: Any) -> None:
    """Raise what libldap reports; else the library would take it for a wrong password (which never comes here)."""
    raise DirectoryDown(f"The directory cannot be asked: {reason_of(exception)}.") from exception


ldap_error.connect(_raise, sender=_Backend)


@functools.lru_cache(maxsize=8)
def _settings(config: DirectoryProviderConfig) -> LDAPSettings:
    settings = LDAPSettings("AUTH_LDAP_UNUSED_", {})
    settings.SERVER_URI = functools.partial(uri_of, config)
    settings.START_TLS = config.start_tls
    settings.BIND_DN, settings.BIND_PASSWORD = service_account(config), config.password
    settings.CONNECTION_OPTIONS = options_of(config)
    settings.ALWAYS_UPDATE_USER = False
    settings.USER_SEARCH = LDAPSearch(config.base, ldap.SCOPE_SUBTREE, _user_filter(config), ALL_ATTRIBUTES)
    return settings


def uri_of(config: DirectoryProviderConfig, _request: HttpRequest | None = None) -> str:
    """The URI of the server that answers now; searched for each new connection."""
    host, port = first_reachable_server(config)
    shown = f"[{host}]" if ":" in host else host
    return f"{'ldaps' if config.tls else 'ldap'}://{shown}:{port}"


def options_of(config: DirectoryProviderConfig) -> dict[int, Any]:
    """The options of a connection; libldap depends on their order."""
    options: dict[int, Any] = {
        ldap.OPT_PROTOCOL_VERSION: 3,
        ldap.OPT_REFERRALS: 0,
        ldap.OPT_NETWORK_TIMEOUT: config.timeout,
        ldap.OPT_TIMEOUT: max(config.timeout, 2.0),
    }
    if config.tls or config.start_tls:
        authorities = _ca_file(config)
        if authorities:
            options[ldap.OPT_X_TLS_CACERTFILE] = authorities
        options[ldap.OPT_X_TLS_REQUIRE_CERT] = ldap.OPT_X_TLS_DEMAND
        options[ldap.OPT_X_TLS_NEWCTX] = 0  # last: it takes over what was set before
    return options


def _ca_file(config: DirectoryProviderConfig) -> str:
    """The file of trusted authorities (libldap takes nothing but files): the directory's own, or the system's."""
    if not config.ca:
        return ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile
    digest = hashlib.sha256(config.ca.encode()).hexdigest()[:16]
    path = Path(django_settings.RUN_DIR) / f"directory-{digest}.pem"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = path.with_suffix(f".{secrets.token_hex(4)}")
        half.write_text(config.ca)
        half.replace(path)
    return str(path)


def service_account(config: DirectoryProviderConfig) -> str:
    """The name to bind with: Active Directory takes a name after its domain beside DNs and user@domain."""
    qualified = any(mark in config.account for mark in "=@\\")
    return config.account if qualified or not config.login_domain else f"{config.login_domain}\\{config.account}"


def _without_domain(config: DirectoryProviderConfig, login: str) -> str:
    """The name without the directory's own domain before it."""
    domain, _mark, name = login.partition("\\")
    return name if config.login_domain and name and domain.lower() == config.login_domain.lower() else login


def _user_filter(config: DirectoryProviderConfig) -> str:
    by_name = {config.user_search, config.user_login}
    if config.user_search.lower() == "samaccountname":
        by_name.add("userPrincipalName")
    names = "".join(f"({attribute}=%(user)s)" for attribute in sorted(by_name))
    return f"(&(objectClass={config.user_class})(|{names}))"


def is_disabled(config: DirectoryProviderConfig, attrs: Any) -> bool:
    """Whether the directory's status attribute has the bits of a disabled person."""
    if not config.user_enabled or not config.disabled_mask:
        return False
    value = _first_value(attrs, config.user_enabled)
    return bool(re.fullmatch("-?[0-9]{1,19}", value)) and bool(int(value) & config.disabled_mask)


def _first_value(attrs: Any, attribute: str) -> str:
    values = (attrs or {}).get(attribute) or [""]
    return values[0] if isinstance(values[0], str) else ""


def immutable_id(dn: str, attrs: Any) -> str:
    """The id that survives renaming: objectGUID, entryUUID; only a directory without either is known by DN."""
    guid = (attrs.get("objectGUID") or [b""])[0]
    if guid:
        # The library decodes what happens to be UTF-8; the bytes come back unchanged.
        raw = guid if isinstance(guid, bytes) else guid.encode()
        return str(uuid.UUID(bytes_le=raw)) if len(raw) == 16 else raw.hex()
    return (_first_value(attrs, "entryUUID") or dn).lower()
