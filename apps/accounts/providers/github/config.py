"""The configuration of GitHub: an OAuth app there, at github.com or at somebody's own server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.accounts.provider_config import ProviderConfig, config_field
from apps.core.fields import option, text

_host = text(high=255, pattern=r"[A-Za-z0-9.:\[\]-]*", hint="a host name")
_app = text(low=1, high=255)


@dataclass(frozen=True, slots=True)
class GithubProviderConfig(ProviderConfig):
    """github.com, or an Enterprise server at `hostname`; each counts its people, organizations and teams from 1."""

    has_issuer: ClassVar[bool] = True

    client_id: str = config_field("clientId", _app, label="Client id", v1="string 1..255", required=True)
    client_secret: str = config_field(
        "clientSecret", _app, label="Client secret", v1="string 1..255", required=True, secret=True
    )
    hostname: str = config_field("hostname", _host, label="Enterprise host name", v1="string 0..255")
    scheme: str = config_field("scheme", option("https://", "http://"), "https://", label="Protocol", v1="string 0..16")

    @property
    def identity_issuer(self) -> str:
        """The host, whichever way it is spelled; with its port where that is not the protocol's own."""
        if not self.is_enterprise:
            return "github.com"
        host, _colon, port = self.hostname.lower().rpartition(":")
        if not host or not port.isdecimal():
            return self.hostname.lower().rstrip(".")
        is_default = port == ("443" if self.scheme == "https://" else "80")
        return host.rstrip(".") if is_default else f"{host.rstrip('.')}:{port}"

    @property
    def url(self) -> str:
        """Where people log in."""
        return f"{self.scheme}{self.hostname}/" if self.is_enterprise else "https://github.com/"

    @property
    def api_url(self) -> str:
        """Where its API is."""
        return f"{self.scheme}{self.hostname}/api/v3/" if self.is_enterprise else "https://api.github.com/"

    @property
    def is_enterprise(self) -> bool:
        """Whether this is somebody's own GitHub."""
        return self.hostname.lower() not in {"", "github.com", "www.github.com"}
