"""Asking an LDAP directory or Active Directory who somebody is, through django-auth-ldap with settings from a row."""

from __future__ import annotations

import functools
import hashlib
import secrets
import ssl
import uuid
from pathlib import Path
from typing import Any

import ldap
from django.conf import settings as django_settings
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error
from django_auth_ldap.config import LDAPSearch, LDAPSettings

from apps.accounts.backends.directory import DirectoryDown
from apps.accounts.backends.nested import groups_of
from apps.accounts.backends.preflight import first_server
from apps.accounts.models import AuthProvider, User
from apps.accounts.spec import PERSON_KINDS, Claim, Claims, Directory

EVERYTHING = ["*", "+"]  # operational attributes too, or there is no entryUUID


def identify(provider: AuthProvider, config: Directory, login: str, password: str) -> Claims | None:
    """The person and the groups, or None for a wrong name or password; raises `DirectoryDown` with the reason."""
    backend = _Backend(provider.kind, config, _settings(config))
    backend.authenticate(None, username=_short(config, login), password=password)
    return backend.claims


class _Backend(LDAPBackend):  # type: ignore[misc]
    """django-auth-ldap's search, bind and error handling; accounts are none of its business here."""

    def __init__(self, kind: str, config: Directory, settings: LDAPSettings) -> None:
        self.kind, self.config, self.settings = kind, config, settings
        self.claims: Claims | None = None

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        """Called when the password was right: keep what the directory says, unless the person is disabled there."""
        if not _is_disabled(self.config, ldap_user.attrs):
            self.claims = Claims(self._person(username, ldap_user), tuple(self._groups(ldap_user)))
        return User(login=username), False

    def _person(self, username: str, ldap_user: Any) -> Claim:
        attrs = ldap_user.attrs
        login = _first(attrs, self.config.user_login) or username
        name = _first(attrs, self.config.user_name) or _first(attrs, "cn")
        return Claim(PERSON_KINDS[self.kind], lasting_id(ldap_user.dn, attrs), login, name, ldap_user.dn)

    def _groups(self, ldap_user: Any) -> list[Claim]:
        kind = PERSON_KINDS[self.kind].replace("_user", "_group")
        return [
            Claim(kind, lasting_id(dn, attrs), _first(attrs, self.config.group_search), _name(self.config, attrs), dn)
            for dn, attrs in groups_of(self.config, ldap_user)
        ]


def _raise(exception: ldap.LDAPError, **_: Any) -> None:
    """What libldap reports is told, not taken for a wrong password (that never comes here)."""
    detail = exception.args[0] if exception.args and isinstance(exception.args[0], dict) else {}
    words = " ".join(filter(None, [str(detail.get("desc", "")), str(detail.get("info", ""))])) or str(exception)
    if isinstance(exception, ldap.INVALID_CREDENTIALS):
        words = "the service account's name or password is wrong"
    elif isinstance(exception, ldap.TIMEOUT):
        words = "no answer in time"
    elif isinstance(exception, ldap.NO_SUCH_OBJECT):
        words = "there is nothing at the search base (domain)"
    raise DirectoryDown(f"The directory cannot be asked: {words}.") from exception


ldap_error.connect(_raise, sender=_Backend)


@functools.lru_cache(maxsize=8)
def _settings(config: Directory) -> LDAPSettings:
    settings = LDAPSettings("AUTH_LDAP_UNUSED_", {})
    settings.SERVER_URI = functools.partial(_uri, config)
    settings.START_TLS = config.start_tls
    settings.BIND_DN, settings.BIND_PASSWORD = service_account(config), config.password
    settings.CONNECTION_OPTIONS = _options(config)
    settings.ALWAYS_UPDATE_USER = False
    settings.USER_SEARCH = LDAPSearch(config.base, ldap.SCOPE_SUBTREE, _user_filter(config), EVERYTHING)
    return settings


def _uri(config: Directory, _request: HttpRequest | None) -> str:
    """The server that answers now; found anew for each connection."""
    host, port = first_server(config)
    shown = f"[{host}]" if ":" in host else host
    return f"{'ldaps' if config.tls else 'ldap'}://{shown}:{port}"


def _options(config: Directory) -> dict[int, Any]:
    options: dict[int, Any] = {
        ldap.OPT_PROTOCOL_VERSION: 3,
        ldap.OPT_REFERRALS: 0,
        ldap.OPT_NETWORK_TIMEOUT: config.patience,
        ldap.OPT_TIMEOUT: max(config.patience, 2.0),
    }
    if config.tls or config.start_tls:
        authorities = _ca_file(config)
        if authorities:
            options[ldap.OPT_X_TLS_CACERTFILE] = authorities
        options[ldap.OPT_X_TLS_REQUIRE_CERT] = ldap.OPT_X_TLS_DEMAND
        options[ldap.OPT_X_TLS_NEWCTX] = 0  # last: it takes over what was set before
    return options


def _ca_file(config: Directory) -> str:
    """Authorities, which libldap reads from a file only: the directory's own, or the system's."""
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


def service_account(config: Directory) -> str:
    """The name to bind with: Active Directory takes a name after its domain beside DNs and user@domain."""
    qualified = any(mark in config.account for mark in "=@\\")
    return config.account if qualified or not config.login_domain else f"{config.login_domain}\\{config.account}"


def _short(config: Directory, login: str) -> str:
    """The name without the directory's own domain before it."""
    domain, _mark, name = login.partition("\\")
    return name if config.login_domain and name and domain.lower() == config.login_domain.lower() else login


def _user_filter(config: Directory) -> str:
    by_name = {config.user_search, config.user_login}
    if config.user_search.lower() == "samaccountname":
        by_name.add("userPrincipalName")
    names = "".join(f"({attribute}=%(user)s)" for attribute in sorted(by_name))
    return f"(&(objectClass={config.user_class})(|{names}))"


def _is_disabled(config: Directory, attrs: Any) -> bool:
    if not config.user_enabled or not config.disabled_mask:
        return False
    value = _first(attrs, config.user_enabled)
    return value.lstrip("-").isdigit() and bool(int(value) & config.disabled_mask)


def _name(config: Directory, attrs: Any) -> str:
    return _first(attrs, config.group_name) or _first(attrs, config.group_search)


def _first(attrs: Any, attribute: str) -> str:
    values = (attrs or {}).get(attribute) or [""]
    return values[0] if isinstance(values[0], str) else ""


def lasting_id(dn: str, attrs: Any) -> str:
    """The id that survives renaming: objectGUID, entryUUID; only a directory without either is known by DN."""
    guid = (attrs.get("objectGUID") or [b""])[0]
    if guid:
        # The library decodes what happens to be UTF-8; the bytes come back unchanged.
        raw = guid if isinstance(guid, bytes) else guid.encode()
        return str(uuid.UUID(bytes_le=raw)) if len(raw) == 16 else raw.hex()
    return (_first(attrs, "entryUUID") or dn).lower()
