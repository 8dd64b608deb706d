"""What every login provider's configuration is made of: who may log in, and fields that say all about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from apps.accounts.claims import normalize_dn
from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, provider_identity_kinds
from apps.core.errors import Invalid
from apps.core.fields import Check, WireObject, list_of, nested, option, text, wire

UNRESTRICTED, RESTRICTED, REQUIRED = "unrestricted", "restricted", "required"
SAME_SERVER, OTHER_SERVER = "sameServer", "otherServer"
ISSUER_CHANGE = "issuerChange"


Size = Literal["line", "wide", "area"]


@dataclass(frozen=True, slots=True)
class ChoiceGroup:
    """A section of flags that exclude each other: the form shows them as one select of this name."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One field of a provider's configuration, as the form and the v1 type need to know it.

    `v1` is the type and the marks of `apps.api.wire.fields.parse_fields`. The section `advanced` is folded away in the
    form, and the v1 schema tells its defaults. `label` and `hint` are English; the console translates them.
    """

    name: str
    label: str
    v1: str
    default: Any
    hint: str
    secret: bool
    required: bool
    size: Size
    section: Literal["main", "advanced"] | ChoiceGroup

    @property
    def is_advanced(self) -> bool:
        """Whether the default fits most installations."""
        return self.section == "advanced"


def config_field(
    name: str,
    check: Check,
    default: Any = "",
    *,
    label: str,
    v1: str,
    hint: str = "",
    secret: bool = False,
    required: bool = False,
    size: Size = "line",
    section: Literal["main", "advanced"] | ChoiceGroup = "main",
) -> Any:
    """Declare a field of a provider's configuration: its v1 name, its check, its default, and how it is shown."""
    shown = ConfigField(name, label, v1, default, hint, secret, required, size, section)
    return field(default=default, metadata={"wire": name, "check": check, "nullable": True, "config": shown})


def _check_identity_kind(name: str, value: Any) -> str:
    # Looked up at each call: this class is declared before any provider has declared its kinds.
    found: str = option(LOCAL_IDENTITY_KIND, *sorted(provider_identity_kinds()))(name, value)
    return found


@dataclass(frozen=True, slots=True)
class AllowedIdentity(WireObject):
    """One identity on the list of those who may log in."""

    kind: str = wire("externalIdType", _check_identity_kind, required=True)
    external_id: str = wire("externalId", text(low=1, high=512), required=True)


@dataclass(frozen=True, slots=True)
class SiteAccess(WireObject):
    """Who may log in: the part that every way of logging in has."""

    access: str = wire("accessMode", option(UNRESTRICTED, RESTRICTED, REQUIRED), UNRESTRICTED)
    allowed: tuple[AllowedIdentity, ...] = wire("allowedIdentities", list_of(nested(AllowedIdentity)), ())

    def allowed_names(self) -> set[tuple[str, str]]:
        """The allowed identities, ready to compare."""
        return {(each.kind, normalize_dn(each.external_id)) for each in self.allowed}


ACCESS_FIELDS = frozenset(each.metadata["wire"] for each in fields(SiteAccess))


@dataclass(frozen=True, slots=True)
class ProviderConfig(SiteAccess):
    """A login provider's configuration; each kind adds its fields with `config_field`."""

    has_issuer: ClassVar[bool] = False
    """Whether ids of people and groups mean somebody at one server only; then `identity_issuer` says at which."""

    @property
    def identity_issuer(self) -> str:
        """The server whose ids these are, written the same way for every spelling; empty where ids are unique anyway.

        A directory's are: entryUUID and objectGUID are never given twice, a DN ends in the organization's own domain,
        and its servers come and go behind a list of fail-over names.
        """
        return ""

    @classmethod
    def config_fields(cls) -> list[ConfigField]:
        """The fields of this kind, in the order in which forms and v1 show them."""
        return [each.metadata["config"] for each in fields(cls) if "config" in each.metadata]

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """The fields that are stored and never shown again."""
        return frozenset(each.name for each in cls.config_fields() if each.secret)

    @classmethod
    def from_input(cls, data: Mapping[str, Any], stored: Mapping[str, Any]) -> Self:
        """The checked configuration; a secret that is left out or blank stays as `stored`.

        Raises `Invalid` for the first field that is wrong.
        """
        secrets = cls.secret_names()
        given = {name: value for name, value in data.items() if value != "" or name not in secrets}
        kept = {name: stored[name] for name in secrets if stored.get(name) and given.get(name) is None}
        return cls.from_wire({**given, **kept})

    def check(self) -> None:
        """Raise `Invalid` for what is missing; a half-filled configuration may be stored nowhere."""
        found = self.to_wire()
        for each in self.config_fields():
            if each.required and not found[each.name]:
                raise Invalid(each.name, "MissingRequired", f"{each.name} is required.")

    def effective_values(self) -> dict[str, Any]:
        """What holds where a field was left empty, for those who read the configuration; only what differs."""
        return {}
