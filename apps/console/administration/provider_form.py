"""The form of a login provider, read off the fields that its configuration declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.accounts.provider_config import ISSUER_CHANGE, UNRESTRICTED, ChoiceGroup, ConfigField
from apps.accounts.providers.registry import AnyProvider


@dataclass(frozen=True, slots=True)
class ProviderField:
    """One field of the form."""

    declared: ConfigField
    value: Any
    error: str = ""

    @property
    def name(self) -> str:
        """The field's name in the form, which is v1's."""
        return self.declared.name

    @property
    def label(self) -> str:
        """What people call it."""
        return _(self.declared.label)

    @property
    def hint(self) -> str:
        """What may be written there."""
        return _(self.declared.hint) if self.declared.hint else ""

    @property
    def is_secret(self) -> bool:
        """Whether what is stored is not shown."""
        return self.declared.secret

    @property
    def is_wide(self) -> bool:
        """Whether it holds what is long: names of machines, DNs."""
        return self.declared.size == "wide"

    @property
    def is_text(self) -> bool:
        """Whether it is one line of text."""
        return self.declared.size != "area" and not isinstance(self.declared.section, ChoiceGroup)


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Flags that exclude each other, as one select."""

    name: str
    label: str
    selected: str
    options: list[tuple[str, str]]


def form_fields(provider: AnyProvider, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[ProviderField]:
    """Every field with its value (secrets are never shown) and what is wrong with it."""
    return [
        ProviderField(each, "" if each.secret else values.get(each.name) or "", errors.get(each.name, ""))
        for each in provider.config_class.config_fields()
    ]


def form_choices(provider: AnyProvider, values: Mapping[str, Any]) -> list[ProviderChoice]:
    """The selects; what was chosen in a refused form comes before what is stored."""
    flags: dict[ChoiceGroup, list[ConfigField]] = {}
    for each in provider.config_class.config_fields():
        if isinstance(each.section, ChoiceGroup):
            flags.setdefault(each.section, []).append(each)
    found = []
    for group, members in flags.items():
        stored = next((each.name for each in members if values.get(each.name)), "")
        options = [("", _("None")), *((each.name, _(each.label)) for each in members)]
        found.append(ProviderChoice(group.name, _(group.label), values.get(group.name) or stored, options))
    return found


def format_identities(allowed_identities: Any) -> str:
    """Allowed identities as the form shows them, one per line."""
    if isinstance(allowed_identities, str):
        return allowed_identities
    return "\n".join(f"{each['externalIdType']} {each['externalId']}" for each in allowed_identities or ())


def parse_access_rule(form: QueryDict) -> dict[str, Any]:
    """Who may log in, as the form says it: lines that were typed, and boxes that were ticked among what was found."""
    typed = form.get("allowedIdentities", "").splitlines()
    pairs = [line.strip().partition(" ") for line in dict.fromkeys([*typed, *form.getlist("allow")]) if line.strip()]
    return {
        "accessMode": form.get("accessMode", UNRESTRICTED),
        "allowedIdentities": [{"externalIdType": kind, "externalId": name.strip()} for kind, _space, name in pairs],
    }


def parse_form(form: QueryDict, provider: AnyProvider) -> dict[str, Any]:
    """The form as a v1 body: blanks are defaults, lines of allowed identities are objects."""
    found = {**parse_access_rule(form), ISSUER_CHANGE: form.get(ISSUER_CHANGE, "")}
    for each in provider.config_class.config_fields():
        if isinstance(each.section, ChoiceGroup):
            found[each.name] = form.get(each.section.name, "") == each.name
        elif value := form.get(each.name, "").strip():
            found[each.name] = value
    return found
