"""The launch form: reads what a person typed into a `LaunchConfig`, and shows one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, get_args

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.console.containers import rules_form
from apps.console.containers.check_form import network_check_values, parse_network_check
from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.containers.launch.fields.declaration import FormControl, FormSection, LaunchField
from apps.containers.launch.kind_labels import PULL_IMAGE_LABEL, is_always_pulled
from apps.containers.launch.values import image_uuid
from apps.core.errors import Invalid, Problem

NO_LIMIT = "-1"  # as engines have it: in no unit
_ROWS = {"portRows": ("portPublic", "portPrivate", "portProtocol"), "ruleRows": rules_form.PARTS}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def parse_key_values(name: str, text: str) -> dict[str, str]:
    """Parse `KEY=value` lines, with a shell's `export`, quotes and comments, as people paste them."""
    found: dict[str, str] = {}
    for line in _lines(text):
        if line.startswith("#"):
            continue
        key, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not key.strip():
            raise Invalid(name, "InvalidFormat", _("%(line)r: write KEY=value, one per line.") % {"line": line[:80]})
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key.strip()] = value
    return found


def _parse_shell_words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise Invalid(name, "InvalidFormat", _("A quotation mark is not closed.")) from None


def _parse_number(name: str, text: str, factor: float = 1) -> int:
    if text == NO_LIMIT:
        return -1
    try:
        number = float(text.replace(",", "."))
        return int(number) if factor == 1 else round(number * factor)
    except (ValueError, OverflowError):
        raise Invalid(name, "InvalidFormat", _("%(text)r is not a number.") % {"text": text[:40]}) from None


def parse_ports(form: QueryDict) -> list[str]:
    """Parse the rows of the port table into v1's texts."""
    rows = zip(
        form.getlist("portPublic"),
        form.getlist("portPrivate"),
        form.getlist("portProtocol"),
        strict=False,
    )
    found = []
    for public, private, protocol in ((a.strip(), b.strip(), c.strip()) for a, b, c in rows):
        if public and not private:
            raise Invalid(
                "ports",
                "PortWrongFormat",
                _("Enter the container port that %(port)s maps to.") % {"port": public[:40]},
            )
        if private:
            found.append(f"{public}:{private}/{protocol or 'tcp'}" if public else f"{private}/{protocol or 'tcp'}")
    return found


def _parse_list(text: str) -> list[str]:
    return [word for line in _lines(text) for word in line.replace(",", " ").split()]


def parse_control(control: FormControl, text: str) -> Any:
    """Turn what was typed into a control into v1's value, not yet checked."""
    kind = control.kind
    if kind == "number":
        return _parse_number(control.name, text, control.factor)
    if kind == "words":
        return _parse_shell_words(control.name, text)
    if kind == "pairs":
        return parse_key_values(control.name, text)
    if kind == "list":
        return _parse_list(text)
    return _lines(text) if kind == "lines" else text


def _format_number(value: int, factor: float) -> str:
    """As many digits as it takes for a copy to have exactly the number that the original has."""
    if factor == 1 or str(value) == NO_LIMIT:
        return str(value)
    shown = f"{value / factor:.15g}"
    return shown if round(float(shown) * factor) == value else f"{value / factor:.17g}"


def format_control(control: FormControl, value: Any) -> str:
    """Turn v1's value into what the control shows."""
    if control.kind == "number":
        return _format_number(value, control.factor)
    if control.kind == "words":
        return shlex.join(value)
    if control.kind == "pairs":
        return "\n".join(f"{key}={text}" for key, text in value.items())
    if control.kind in {"list", "lines"}:
        # Browsers take line ends out of what is not a text area: "NET_ADMIN\nBPF" would be sent back as one word.
        return ("\n" if control.area else " ").join(value)
    return str(value)


@dataclass(frozen=True, slots=True)
class ShownControl:
    """A control with its content and its error."""

    control: FormControl
    value: Any
    error: str


@dataclass(frozen=True, slots=True)
class ShownSection:
    """The controls of a section that are drawn from their declarations: rows, then switches."""

    rows: tuple[tuple[ShownControl, ...], ...]
    switches: tuple[ShownControl, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class FormLayout:
    """The controls of the launch fields, arranged once.

    `parsed` and `switches` are pairs of v1 name and control; `names` maps v1's names, and those of parts that have a
    control of their own, to the form's, for refusals; `sections` has all controls by section, `rows` the ones that
    are drawn.
    """

    parsed: tuple[tuple[str, FormControl], ...]
    switches: tuple[tuple[str, FormControl], ...]
    names: Mapping[str, str]
    sections: Mapping[str, tuple[FormControl, ...]]
    rows: Mapping[str, tuple[tuple[FormControl, ...], ...]]

    @classmethod
    def of(cls, fields: Iterable[LaunchField]) -> FormLayout:
        """Arrange the controls of the launch fields."""
        found = [(field.name, field.form) for field in fields if field.form]
        ordered = sorted((control for _name, control in found), key=lambda each: (each.row, each.column))
        drawn = [each for each in ordered if each.drawn and each.kind != "switch"]
        return cls(
            parsed=tuple(each for each in found if each[1].kind not in {"own", "switch"}),
            switches=tuple(each for each in found if each[1].kind == "switch"),
            names={name: control.name for name, control in found}
            | {f"{name}.{part}": shown for name, control in found for part, shown in control.parts},
            sections={name: tuple(each for each in ordered if each.section == name) for name in _SECTIONS},
            rows={
                name: tuple(
                    tuple(row) for _at, row in groupby((each for each in drawn if each.section == name), _row_of)
                )
                for name in _SECTIONS
            },
        )


def _row_of(control: FormControl) -> int:
    return control.row


_SECTIONS = get_args(FormSection)
LAYOUT = FormLayout.of(LAUNCH_FIELDS)
# The controls beside the launch fields, by the field that a refusal names.
_OTHER_NAMES = {
    "name": "name",
    "scale": "scale",
    "description": "description",
    "serviceId": "links",
    "serviceLinks": "links",
    "launchConfig": "image",
    rules_form.FIELD: rules_form.FIELD,
}
_OTHER_CONTROLS = frozenset({*_OTHER_NAMES.values(), "links"})


def form_errors(problem: Problem) -> dict[str, str]:
    """Put a refusal at its control; one without a control goes to the top of the page."""
    path = str(problem.field or "").removeprefix("launchConfig.").split(".")
    part = LAYOUT.names.get(".".join(path[:2]))
    name = part or LAYOUT.names.get(path[0]) or _OTHER_NAMES.get(path[0], path[0])
    is_shown = name in _OTHER_CONTROLS or name in LAYOUT.names.values()
    return {name if is_shown else "form": problem.message}


def form_sections(values: Mapping[str, Any], errors: Mapping[str, str]) -> dict[str, ShownSection]:
    """Fill the sections of the form; one with an error, or with a value in a control that opens it, is open."""

    def show(controls: Iterable[FormControl]) -> tuple[ShownControl, ...]:
        return tuple(ShownControl(each, values.get(each.name, ""), errors.get(each.name, "")) for each in controls)

    return {
        name: ShownSection(
            tuple(map(show, LAYOUT.rows[name])),
            show(each for each in controls if each.kind == "switch"),
            any(_has_error(each, errors) or (each.opens and values.get(each.name)) for each in controls),
        )
        for name, controls in LAYOUT.sections.items()
    }


def _has_error(control: FormControl, errors: Mapping[str, str]) -> bool:
    return any(errors.get(name) for name in (control.name, *(shown for _part, shown in control.parts)))


def form_to_wire(form: QueryDict) -> dict[str, Any]:
    """Read the form into v1's JSON, not yet checked; raises `Invalid` at the form's field for what cannot be read."""
    data: dict[str, Any] = {}
    image = form.get("image", "").strip()
    if not image:
        raise Invalid("image", "MissingRequired", _("Name an image, such as nginx:alpine."))
    data["imageUuid"] = image_uuid(image)
    for name, control in LAYOUT.parsed:
        text = form.get(control.name, "").strip()
        if text:
            data[name] = parse_control(control, text)
    data |= {name: True for name, control in LAYOUT.switches if form.get(control.name)}
    data["ports"] = parse_ports(form)
    restart, attempts = form.get("restart", ""), form.get("restartCount", "").strip()
    if restart or attempts:
        data["restartPolicy"] = {"name": restart, **({"maximumRetryCount": attempts} if attempts else {})}
    driver, options = (form.get(name, "").strip() for name in ("logDriver", "logOptions"))
    if driver or options:
        data["logConfig"] = {"driver": driver or None, "config": parse_key_values("logOptions", options)}
    if form.get("pullAlways"):
        data["labels"] = {**data.get("labels", {}), PULL_IMAGE_LABEL: "always"}
    if rules := rules_form.submitted_rules(form):
        data["labels"] = rules_form.with_rules(data.get("labels", {}), rules)
    return data | _parse_health_check(form)


def _parse_health_check(form: QueryDict) -> dict[str, Any]:
    kind = form.get("check", "none")
    command = form.get("checkCommand", "").strip()
    if kind == "command" and command:
        return {"dockerHealthCheck": {"test": ["CMD-SHELL", command], **_parse_check_interval(form)}}
    if kind in {"tcp", "http"}:
        return {"healthCheck": parse_network_check(form, kind)}
    return {}


def _parse_check_interval(form: QueryDict) -> dict[str, int]:
    text = form.get("checkInterval", "").strip()
    return {"interval": _parse_number("checkCommand", text, 1000)} if text else {}


def form_to_config(form: QueryDict, *, start: bool = True) -> LaunchConfig:
    """Read the form into a checked launch configuration."""
    return LaunchConfig.from_wire(form_to_wire(form) | {"startOnCreate": start})


def changed_config(current: LaunchConfig, shown: Mapping[str, Any], form: QueryDict) -> LaunchConfig:
    """The current configuration with what was changed in the form, which was filled in with `shown`.

    What the form does not show, or shows in part only, stays: a field counts as changed when what is sent reads
    differently from what was shown. Raises `Invalid`.
    """
    before, sent = form_to_wire(_as_form(shown)), form_to_wire(form)
    changed = {name for name in {*before, *sent} if before.get(name) != sent.get(name)}
    return LaunchConfig.from_wire({**current.to_wire(), **{name: sent.get(name) for name in changed}})


def _as_form(values: Mapping[str, Any]) -> QueryDict:
    """The form as a browser sends it when nothing was changed."""
    form = QueryDict(mutable=True)
    for name, value in values.items():
        if name in _ROWS:
            for at, part in enumerate(_ROWS[name]):
                form.setlist(part, [str(each[at]) for each in value])
        elif value:
            form[name] = "on" if value is True else str(value)
    return form


def without_values(config: LaunchConfig) -> LaunchConfig:
    """The configuration without what only those are shown who may see the values of environment variables."""
    log = replace(config.log_config, config={}) if config.log_config else None
    return replace(config, environment={}, log_config=log)


def config_to_form(config: LaunchConfig) -> dict[str, Any]:
    """Turn a launch configuration into the form's values, for a clone."""
    data = config.to_wire()
    values: dict[str, Any] = {"image": image_text(config)}
    if is_always_pulled(config):  # the form has a switch for it
        values["pullAlways"] = True
        data["labels"] = {name: text for name, text in data["labels"].items() if name != PULL_IMAGE_LABEL}
    values["ruleRows"], data["labels"] = rules_form.take_rules(data.get("labels") or {})
    values |= {control.name: format_control(control, data[name]) for name, control in LAYOUT.parsed if data.get(name)}
    values |= {control.name: True for name, control in LAYOUT.switches if data.get(name)}
    values["portRows"] = [(port.public or "", port.private, port.protocol) for port in config.ports]
    policy = config.restart_policy
    values["restart"] = policy.name if policy else ""
    values["restartCount"] = (policy.maximum_retry_count or "") if policy else ""
    log = config.log_config
    values["logDriver"] = (log.driver or "") if log else ""
    values["logOptions"] = "\n".join(f"{name}={text}" for name, text in log.config.items()) if log else ""
    return values | _health_check_values(config)


def image_text(config: LaunchConfig) -> str:
    """The image as a person writes it."""
    kind = (config.image_uuid or "").partition(":")[0]
    return f"sim:{config.image}" if kind == "sim" else config.image


def _health_check_values(config: LaunchConfig) -> dict[str, Any]:
    if config.docker_health_check:
        return {"check": "command", "checkCommand": " ".join(config.docker_health_check.test[1:])}
    check = config.health_check
    if check is None:
        return {"check": "none"}
    return network_check_values(check)


def submitted_values(form: QueryDict) -> dict[str, Any]:
    """Return what was typed, to be shown again beside its error."""
    rows = list(
        zip(form.getlist("portPublic"), form.getlist("portPrivate"), form.getlist("portProtocol"), strict=False)
    )
    links = list(zip(form.getlist("linkService"), form.getlist("linkName"), strict=False))
    return {**form.dict(), "portRows": rows, "linkRows": links, "ruleRows": rules_form.submitted_rules(form)}
