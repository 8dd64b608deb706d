"""The questions of a version as a form: grouped, filled in, with what is wrong at each; what was typed, read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.http import QueryDict

from apps.catalog.reading import PASSWORD, TemplateQuestion, is_shown
from apps.environments.models import Environment
from apps.stacks.models import Service
from apps.vault.models import Certificate

PREFIX = "answer."
_CHECKED = "true"


@dataclass(frozen=True, slots=True)
class QuestionField:
    """A question with the value that is in the form, its error, and whether it is asked now."""

    question: TemplateQuestion
    value: str
    error: str = ""
    is_shown: bool = True
    controls: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the input."""
        return f"{PREFIX}{self.question.variable}"

    @property
    def is_checked(self) -> bool:
        """Whether a switch is on."""
        return self.value.lower() in {_CHECKED, "yes", "on", "1"}

    @property
    def input_type(self) -> str:
        """The type of a plain input."""
        kinds = {PASSWORD: "password", "int": "number", "float": "number", "date": "date"}
        return kinds.get(self.question.type, "text")


@dataclass(frozen=True, slots=True)
class QuestionGroup:
    """Questions under one heading."""

    title: str
    fields: list[QuestionField] = field(default_factory=list)


def submitted_answers(sent: QueryDict, questions: Iterable[TemplateQuestion]) -> dict[str, str]:
    """What was typed, by variable; a switch that is off is sent as nothing."""
    found = {}
    for each in questions:
        name = f"{PREFIX}{each.variable}"
        if each.type == "boolean":
            found[each.variable] = _CHECKED if sent.get(name) else "false"
        elif name in sent:
            found[each.variable] = str(sent[name]).replace("\r\n", "\n")
    return found


def question_groups(
    environment: Environment,
    questions: Iterable[TemplateQuestion],
    values: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    is_typed: bool = False,
) -> list[QuestionGroup]:
    """The form's fields by group, in the template's order; passwords only show again what was typed (`is_typed`)."""
    asked = tuple(questions)
    controlling = {name for each in asked for name in each.show_if}
    choices = {kind: _choices(environment, kind) for kind in {each.type for each in asked}}
    known = {each.variable: values.get(each.variable, each.default) for each in asked}
    groups: dict[str, QuestionGroup] = {}
    for each in asked:
        found = QuestionField(
            each,
            known[each.variable] if is_typed or each.type != PASSWORD else "",
            errors.get(each.variable, ""),
            is_shown(each, known),
            each.variable in controlling,
            each.options if each.type == "enum" else choices[each.type],
        )
        groups.setdefault(each.group, QuestionGroup(each.group)).fields.append(found)
    return list(groups.values())


def _choices(environment: Environment, kind: str) -> tuple[str, ...]:
    """What there is to choose from here: services by stack and name, certificates by name."""
    if kind == "service":
        rows = Service.objects.within([environment.pk]).filter(removed=None).order_by("stack__name", "name")
        return tuple(f"{stack}/{name}" for stack, name in rows.values_list("stack__name", "name")[:500])
    if kind == "certificate":
        certificates = Certificate.objects.within([environment.pk]).filter(removed=None)
        return tuple(certificates.order_by("name").values_list("name", flat=True)[:500])
    return ()
