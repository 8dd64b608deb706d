"""Rancher's affinity labels: what a container wants, or does not want, of its host and of its neighbours there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "io.rancher.scheduler.affinity:"
HOST_LABEL, CONTAINER_LABEL, CONTAINER = "host_label", "container_label", "container"
STACK_SERVICE_LABEL = "io.rancher.stack_service.name"
MAX_WORDS = 200  # how much of a label a reason shows: labels may be as long as a launch configuration

Subject = Literal["host_label", "container_label", "container"]
_SUBJECTS: tuple[Subject, ...] = ("host_label", "container_label", "container")
_RULE_NAMES = {f"{subject}{kind}" for subject in _SUBJECTS for kind in ("", "_ne", "_soft", "_soft_ne")}
# Importing a compose file turns `$$` into `$`; what comes through the API has it still.
_VARIABLE = re.compile(r"\${1,2}\{(stack_name|service_name|project_name)\}")


@dataclass(frozen=True, slots=True)
class AffinityRule:
    """One rule: a label (with a value, or with any) or a container that a host must or must not have.

    A soft one is a preference. For the subject `container`, `name` is a container's name or uuid.
    """

    subject: Subject
    name: str
    value: str | None = None
    wanted: bool = True
    soft: bool = False

    @property
    def label(self) -> str:
        """The label or the container as it was written."""
        text = self.name if self.value is None else f"{self.name}={self.value}"
        return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"

    @property
    def violation(self) -> str:
        """What is to be said of a host that breaks the rule."""
        words = {
            (HOST_LABEL, True): "the label {} is missing",
            (HOST_LABEL, False): "the label {} is not wanted",
            (CONTAINER_LABEL, True): "no container with the label {} is there",
            (CONTAINER_LABEL, False): "a container with the label {} is there",
            (CONTAINER, True): "the container {} is not there",
            (CONTAINER, False): "the container {} is there",
        }
        return words[self.subject, self.wanted].format(self.label)

    def holds_for(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels have the rule's label."""
        return self.name in labels and (self.value is None or str(labels[self.name]) == self.value)


def parse_rules(labels: Mapping[str, str]) -> list[AffinityRule]:
    """The rules among a container's labels; all parts of a comma list have to be met.

    The names of stack and service are taken from the container's own labels.
    """
    rules = (rule for subject in _SUBJECTS for rule in _rules_about(subject, labels))
    return list(dict.fromkeys(rules))  # one written twice is broken once


def has_neighbour_rules(labels: Mapping[str, str]) -> bool:
    """Whether a rule asks for other containers."""
    return any(label.startswith(f"{PREFIX}{CONTAINER}") for label in labels)


def is_unknown_rule(label: str) -> bool:
    """Whether a label looks like a rule and is none: misspelt, it would be obeyed by nobody."""
    return label.startswith(PREFIX) and label.removeprefix(PREFIX) not in _RULE_NAMES


def malformed_rule(label: str, text: str) -> str | None:
    """What of a rule about labels has not both sides of `name=value`; None if all of it has, or it is no such rule.

    Nothing between two commas is no rule; templates end their lists with a comma. Rows from before this was refused
    may have a name alone, which goes on asking for any value.
    """
    rule = label.removeprefix(PREFIX)
    if not label.startswith(PREFIX) or rule not in _RULE_NAMES or not rule.startswith((HOST_LABEL, CONTAINER_LABEL)):
        return None
    for part in text.split(","):
        name, _equals, value = part.partition("=")
        if part.strip() and not (name.strip() and value.strip()):
            return part.strip()
    return None


def _rules_about(subject: Subject, labels: Mapping[str, str]) -> Iterator[AffinityRule]:
    for soft in (False, True):
        for wanted in (True, False):
            label = f"{PREFIX}{subject}{'_soft' if soft else ''}{'' if wanted else '_ne'}"
            if label in labels:
                for name, value in _parts(subject, substitute_names(labels[label], labels)):
                    yield AffinityRule(subject, name, value, wanted=wanted, soft=soft)


def _parts(subject: Subject, text: str) -> Iterator[tuple[str, str | None]]:
    """Read `a=b,c=d`; a name alone asks for any value, and a container's name has none."""
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if subject == CONTAINER:
            name, equals = part.strip(), ""
        if name.strip():
            yield name.strip(), value.strip() if equals else None


def substitute_names(text: str, labels: Mapping[str, str]) -> str:
    """Put the stack's and the service's name where a rule refers to them; a standalone container has neither."""
    stack, slash, service = labels.get(STACK_SERVICE_LABEL, "").partition("/")
    if not slash:
        return text
    names = {"stack_name": stack, "project_name": stack, "service_name": service}
    return _VARIABLE.sub(lambda found: names[found[1]], text)
