"""What opens a registry, as engines take it; pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from apps.vault.registries.addresses import login_address, title_of

_BLANK = "•••"
_MIN_BLANKED = 4  # a shorter secret is a part of too many words; none that a registry accepts is so short


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """An account at one registry; its password is in no `repr`."""

    domain: str
    username: str
    password: str = field(repr=False)
    email: str = ""

    @property
    def auth(self) -> dict[str, str]:
        """As the Engine API takes it."""
        address = login_address(self.domain)
        account = {"username": self.username, "password": self.password, "serveraddress": address}
        return account | ({"email": self.email} if self.email else {})

    @property
    def is_empty(self) -> bool:
        """Whether there is no account in it: then registries are asked without one."""
        return not (self.username or self.password)

    @property
    def title(self) -> str:
        """The registry as people call it."""
        return title_of(self.domain)

    def redact(self, text: str) -> str:
        """What an engine or a registry said, without the password: some registries repeat what they were sent."""
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        for secret in (basic, basic.rstrip("="), self.password):
            text = text.replace(secret, _BLANK) if len(secret) >= _MIN_BLANKED else text
        return text
