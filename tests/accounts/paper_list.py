"""A made-up login provider: people on a sheet of paper, who know their personal number. Only the protocol is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.provider_config import ChoiceGroup, ProviderConfig, config_field
from apps.accounts.providers.base import PasswordProvider
from apps.accounts.providers.errors import ProviderDown
from apps.core.errors import Invalid
from apps.core.fields import boolean, integer, text

COLOR = ChoiceGroup("color", "Color of the paper")


@dataclass(frozen=True, slots=True)
class PaperConfig(ProviderConfig):
    """Where the sheet is kept, and the number that opens the drawer."""

    drawer: str = config_field(
        "drawer", text(high=80), label="Drawer", v1="string * ~ 1..80", required=True, size="wide"
    )
    lock: str = config_field(
        "drawerLock", text(high=80), label="Number of its lock", v1="string 1..80", required=True, secret=True
    )
    yellow: bool = config_field("yellow", boolean, default=False, label="Yellow", v1="boolean", section=COLOR)
    blue: bool = config_field("blue", boolean, default=False, label="Blue", v1="boolean", section=COLOR)
    notes: str = config_field("notes", text(high=200), label="Notes", hint="for the clerk", v1="string", size="area")
    pages: int = config_field("pages", integer(1, 9), 2, label="Pages", v1="int 1..9", section="advanced")


class PaperProvider(PasswordProvider[PaperConfig]):
    """Everybody's password is `<name>-<number>`; `groups` are the sheet, `down` says why nobody can read it."""

    kind = "paper"
    title = "Paper list"
    wire_type = "paperconfig"
    identity_kinds: ClassVar[IdentityKinds] = IdentityKinds("paper_user", ("paper_group",))
    config_class = PaperConfig

    def __init__(self) -> None:
        self.groups: dict[str, list[str]] = {"pia": ["crew"], "pal": []}
        self.down = ""

    def preflight(self, config: PaperConfig) -> None:
        super().preflight(config)
        if config.drawer == "shredder":
            raise Invalid("drawer", "InvalidOption", "Nothing comes out of the shredder again.")

    def authenticate(self, config: PaperConfig, login: str, password: str) -> Claims | None:
        return self._claims(login) if login in self._names() and password == f"{login}-{config.lock}" else None

    def search(self, config: PaperConfig, text: str, limit: int, *, exact: bool, token: str) -> list[IdentityClaim]:
        everybody = [
            claim for name in self._names() for claim in (self._claims(name).person, *self._claims(name).groups)
        ]
        return [each for each in everybody if (text == each.login if exact else text in each.login)][:limit]

    def lookup(self, config: PaperConfig, identity_kind: str, external_id: str) -> IdentityClaim | None:
        found = self.search(config, "", 99, exact=False, token="")
        return next((each for each in found if (each.kind, each.external_id) == (identity_kind, external_id)), None)

    def resync(self, config: PaperConfig, external_id: str, token: str) -> Claims | str:
        name = external_id.removeprefix("p-")
        return self._claims(name) if name in self._names() else "Crossed out on the paper list."

    def _claims(self, name: str) -> Claims:
        groups = (IdentityClaim("paper_group", f"g-{each}", each, each.title()) for each in self.groups[name])
        return Claims(IdentityClaim("paper_user", f"p-{name}", name, name.title()), tuple(groups))

    def _names(self) -> list[str]:
        if self.down:
            raise ProviderDown(self.down)
        return list(self.groups)
