"""What a login provider says about a person: the identity of the person and of each group, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol


class KnownNames(Protocol):
    """Anything that carries the two names of an identity: a claim, or a row that keeps one."""

    @property
    def external_id(self) -> str: ...

    @property
    def dn(self) -> str: ...


@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """One identity that a provider vouches for: the person, or a group, organization or team the person is in.

    `external_id` never changes (entryUUID, objectGUID, GitHub's number); `dn` is where a directory keeps it now.
    """

    kind: str
    external_id: str
    login: str = ""
    name: str = ""
    dn: str = ""

    @property
    def wire_id(self) -> str:
        """What v1 calls it: a directory's DN, everybody else's number."""
        return self.dn or self.external_id


@dataclass(frozen=True, slots=True)
class Claims:
    """An authenticated person with their groups; `token`, where the provider gave one, is for asking again later.

    `issuer` is the server that said so, where ids are one server's only (`ProviderConfig.identity_issuer`).
    """

    person: IdentityClaim
    groups: tuple[IdentityClaim, ...] = ()
    token: str = field(default="", repr=False)
    issuer: str = ""

    def names(self) -> set[tuple[str, str]]:
        """Everything that a member list or a list of allowed identities may call this person by."""
        return {pair for claim in (self.person, *self.groups) for pair in identity_keys(claim.kind, claim)}


def identity_keys(kind: str, known: KnownNames) -> set[tuple[str, str]]:
    """The (kind, id) pairs that mean this claim or identity: by its immutable id, and by its DN."""
    ids = {known.external_id, normalize_dn(known.dn)} if known.dn else {known.external_id}
    return {(kind, normalize_dn(each)) for each in ids}


def normalize_dn(text: str) -> str:
    """A DN or id in the form in which two are compared: lower case, no blanks around commas and equal signs."""
    # Not one pattern with blanks on both sides: it would walk a row of blanks again from each of them.
    return "".join(part.strip() for part in re.split("([,=])", text)).lower()
