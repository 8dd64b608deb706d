"""Placement rules as sentences of the launch form, instead of the affinity labels that they are stored as. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.core.errors import Invalid
from apps.hosts.affinity import CONTAINER, CONTAINER_LABEL, HOST_LABEL, PREFIX, STACK_SERVICE_LABEL

FIELD = "rules"
PARTS = ("ruleStrength", "ruleSubject", "ruleName", "ruleValue")
SERVICE = "service"
_SUFFIXES = {"must": "", "must_not": "_ne", "should": "_soft", "should_not": "_soft_ne"}
_LABELS = {
    f"{PREFIX}{subject}{suffix}": (strength, subject)
    for subject in (HOST_LABEL, CONTAINER_LABEL, CONTAINER)
    for strength, suffix in _SUFFIXES.items()
}

RuleRow = tuple[str, str, str, str]
"""Strength, subject, name and value of a rule, as the form's four controls hold them."""


def take_rules(labels: Mapping[str, str]) -> tuple[list[RuleRow], dict[str, str]]:
    """The rules among the labels as rows, and the labels that are left.

    A label that no row can hold stays a label: one without a rule in it, or with a rule that has one side only.
    """
    rows: list[RuleRow] = []
    others: dict[str, str] = {}
    for label, text in labels.items():
        found = _rows_of(*_LABELS[label], text) if label in _LABELS else None
        if found:
            rows += found
        else:
            others[label] = text
    return rows, others


def _rows_of(strength: str, subject: str, text: str) -> list[RuleRow] | None:
    rows = []
    for part in (each.strip() for each in text.split(",")):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not part or ((equals or subject != CONTAINER) and not (name and value)):
            return None
        if subject == CONTAINER:
            rows.append((strength, CONTAINER, "", part))
        elif subject == CONTAINER_LABEL and name == STACK_SERVICE_LABEL:
            rows.append((strength, SERVICE, "", value))
        else:
            rows.append((strength, subject, name, value))
    return rows


def submitted_rules(form: QueryDict) -> list[RuleRow]:
    """The rows as they were typed, without those that say nothing."""
    rows = zip(*(form.getlist(part) for part in PARTS), strict=False)
    found = [(strength, subject, name.strip(), value.strip()) for strength, subject, name, value in rows]
    return [row for row in found if row[3] or (row[2] and row[1] in {HOST_LABEL, CONTAINER_LABEL})]


def with_rules(labels: Mapping[str, str], rows: Iterable[RuleRow]) -> dict[str, str]:
    """The labels with those that the rows stand for. Raises `Invalid`."""
    found = dict(labels)
    for row in rows:
        label, text = _label_of(*row)
        found[label] = f"{found[label]},{text}" if label in found else text
    return found


def _label_of(strength: str, subject: str, name: str, value: str) -> tuple[str, str]:
    if strength not in _SUFFIXES or subject not in {HOST_LABEL, CONTAINER_LABEL, CONTAINER, SERVICE}:
        raise Invalid(FIELD, "InvalidOption", _("Choose what a rule says from the list."))
    if "," in name + value or "=" in name:
        raise Invalid(
            FIELD, "InvalidCharacters", _("A rule has no commas, and a label’s name no “=”: add a rule for each.")
        )
    if subject in {SERVICE, CONTAINER}:
        # What a hidden control still holds from another choice is not meant.
        text = f"{STACK_SERVICE_LABEL}={value}" if subject == SERVICE else value
        return f"{PREFIX}{CONTAINER_LABEL if subject == SERVICE else CONTAINER}{_SUFFIXES[strength]}", text
    if not name:
        raise Invalid(FIELD, "MissingRequired", _("Enter the name of the label that the rule is about."))
    if not value:
        raise Invalid(FIELD, "MissingRequired", _("Enter the value that the label %(name)s has.") % {"name": name[:63]})
    return f"{PREFIX}{subject}{_SUFFIXES[strength]}", f"{name}={value}"
