"""A directory in memory, in place of the module that reads real ones: people with groups, or why they are out."""

from __future__ import annotations

from typing import Any

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.providers.errors import DirectoryDown

SAMPLE = {
    "server": "ldap.example.test",
    "domain": "dc=example,dc=test",
    "serviceAccountUsername": "cn=reader",
    "serviceAccountPassword": "reader-password-8",
}
UNKNOWN_PERSON = "The directory does not know this person any more."


def group(name: str) -> IdentityClaim:
    return IdentityClaim("openldap_group", f"g-{name}", name, name.title(), f"cn={name},ou=groups,dc=example,dc=test")


class FakeDirectory:
    """Everybody's password is their name; `requested` are the re-synced people, `down` says why it cannot be asked."""

    def __init__(self) -> None:
        self.groups: dict[str, list[str]] = {}
        self.logins: dict[str, str] = {}
        self.out: dict[str, str] = {}
        self.requested: list[str] = []
        self.down = ""

    def add(self, name: str, *groups: str) -> None:
        self.groups[name], self.logins[name] = list(groups), name

    def claims(self, name: str) -> Claims:
        login = self.logins[name]
        person = IdentityClaim(
            "openldap_user", f"u-{name}", login, login.title(), f"uid={login},ou=people,dc=example,dc=test"
        )
        return Claims(person, tuple(group(each) for each in self.groups[name]))

    def identify(self, kinds: Any, config: Any, login: str, password: str) -> Claims | None:
        self._require_available()
        found = [name for name, known in self.logins.items() if known == login and known == password]
        return self.claims(found[0]) if found and not self.out.get(found[0]) else None

    def person(self, kinds: Any, config: Any, external_id: str) -> Claims | str:
        self.requested.append(external_id)
        self._require_available()
        name = external_id.removeprefix("u-")
        if name not in self.groups:
            return UNKNOWN_PERSON
        return self.out.get(name) or self.claims(name)

    def by_name(self, kinds: Any, config: Any, text: str, most: int, *, exact: bool) -> list[IdentityClaim]:
        self._require_available()
        names = sorted({each for groups in self.groups.values() for each in groups})
        found = [self.claims(name).person for name in self.groups] + [group(name) for name in names]
        return [each for each in found if (text == each.login if exact else text in each.login)][:most]

    def by_id(self, kinds: Any, config: Any, identity_kind: str, external_id: str) -> IdentityClaim | None:
        known = self.by_name(kinds, config, "", 1000, exact=False)
        return next((each for each in known if external_id in {each.external_id, each.dn}), None)

    def _require_available(self) -> None:
        if self.down:
            raise DirectoryDown(self.down)
