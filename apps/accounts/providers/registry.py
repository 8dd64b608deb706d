"""The register of login providers: the kinds that there are, and the provider behind each."""

from __future__ import annotations

from typing import Any

from apps.accounts.identity_kinds import declare_identity_kinds
from apps.accounts.providers.base import LoginProvider, PasswordProvider, RedirectProvider
from apps.accounts.providers.github.provider import GithubProvider
from apps.accounts.providers.ldap.provider import ActiveDirectoryProvider, OpenLdapProvider
from apps.core.errors import Invalid

# Any: a row pairs a provider with a configuration of the same kind, which no type of the register can say.
AnyProvider = LoginProvider[Any]
AnyRedirectProvider = RedirectProvider[Any]

MAX_KIND_LENGTH = 16  # of the columns that hold it
_providers: dict[str, AnyProvider] = {}


def register_provider(provider: AnyProvider) -> None:
    """Add a kind of login provider, with the kinds of its people and groups."""
    if not 0 < len(provider.kind) <= MAX_KIND_LENGTH:
        raise ValueError(f"A provider's kind has 1 to {MAX_KIND_LENGTH} characters: {provider.kind!r}")
    _providers[provider.kind] = provider
    declare_identity_kinds(provider.kind, provider.identity_kinds)


def all_providers() -> list[AnyProvider]:
    """Every kind, in the order in which people see them."""
    return list(_providers.values())


def provider_kinds() -> list[str]:
    """The names of all kinds."""
    return list(_providers)


def password_kinds() -> list[str]:
    """The kinds whose people type their password here."""
    return [each.kind for each in _providers.values() if isinstance(each, PasswordProvider)]


def redirect_providers() -> dict[str, AnyRedirectProvider]:
    """The providers that send people to pages of their own, by kind."""
    return {kind: each for kind, each in _providers.items() if isinstance(each, RedirectProvider)}


def provider_of(kind: str) -> AnyProvider:
    """The provider of this kind; raises `Invalid` for an unknown one."""
    if kind not in _providers:
        raise Invalid("kind", "InvalidOption", f"kind is one of {', '.join(_providers)}.")
    return _providers[kind]


for _provider in (OpenLdapProvider(), ActiveDirectoryProvider(), GithubProvider()):
    register_provider(_provider)
