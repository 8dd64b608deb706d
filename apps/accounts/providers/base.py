"""What a login provider is: everything that the rest of the portal needs to know of one kind, in one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.http import HttpRequest, HttpResponse

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.provider_config import ProviderConfig

ConfigT = TypeVar("ConfigT", bound=ProviderConfig)


class LoginProvider(ABC, Generic[ConfigT]):
    """One kind of login provider. It holds no state: every question comes with the configuration to ask it with.

    A subclass is one of the two flows below. Passwords kept here are none of them: local accounts have no
    configuration, no trial and no off switch, because they must work when everything else fails
    (`providers.local`).

    Every question may be asked on a thread that has no database connection, so implementations use no models. They
    import optional or heavy libraries inside their methods, and raise `ProviderDown` with the name of the requirements
    file where one is missing: an installation that does not use a provider does not pay for it.
    """

    kind: ClassVar[str]
    """What rows, sessions, URLs and the audit log call it; at most 16 characters, never changed."""
    title: ClassVar[str]
    """What people call it."""
    wire_type: ClassVar[str]
    """The v1 type of its configuration."""
    identity_kinds: ClassVar[IdentityKinds]
    config_class: type[ConfigT]

    def read_config(self, data: Mapping[str, Any], stored: Mapping[str, Any]) -> ConfigT:
        """The checked and complete configuration; secrets that are left out stay as `stored`.

        Raises `Invalid` for the first field that is wrong or missing.
        """
        config = self.config_class.from_input(data, stored)
        self.preflight(config)
        return config

    def preflight(self, config: ConfigT) -> None:
        """Raise `Invalid` where this configuration cannot work, as far as that is known without asking anybody."""
        config.check()

    @abstractmethod
    def search(self, config: ConfigT, text: str, limit: int, *, exact: bool, token: str) -> list[IdentityClaim]:
        """People and groups with `text` in their names, or `exact`ly called that; `limit` of each at most.

        `token` is what the provider gave the searching person at their login, or empty. Raises `ProviderDown`.
        """

    @abstractmethod
    def lookup(self, config: ConfigT, identity_kind: str, external_id: str) -> IdentityClaim | None:
        """The one person or group of this kind and immutable id (or DN). Raises `ProviderDown`."""

    @abstractmethod
    def resync(self, config: ConfigT, external_id: str, token: str) -> Claims | str:
        """What is true now of somebody who logged in before; a text says why they may not log in any more.

        Raises `ProviderDown`, which changes nothing for the person: a provider that is down locks nobody out.
        """


class PasswordProvider(LoginProvider[ConfigT]):
    """People type their name and password into the portal's own form."""

    @abstractmethod
    def authenticate(self, config: ConfigT, login: str, password: str) -> Claims | None:
        """The person with this name and password, or None; neither is ever empty. Raises `ProviderDown`."""


class RedirectProvider(LoginProvider[ConfigT]):
    """People are sent to the provider's own pages and come back with a proof that the portal redeems."""

    setup_hint: ClassVar[str]
    """What an administrator does with the address that people come back to."""

    @abstractmethod
    def begin(self, request: HttpRequest, config: ConfigT, return_url: str) -> HttpResponse:
        """Send the browser away; it comes back to the absolute URL `return_url`."""

    @abstractmethod
    def complete(self, request: HttpRequest, config: ConfigT, return_url: str) -> Claims:
        """Who the provider says the returned browser's owner is.

        Raises `Unauthorized` for a proof that is wrong or was refused, `Problem` when the provider cannot be asked.
        """

    @abstractmethod
    def origin(self, config: ConfigT) -> str:
        """Scheme and host that the browser is sent to; the login page's security policy has to allow it."""
