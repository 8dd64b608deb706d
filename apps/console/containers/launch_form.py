"""The launch form: what a person typed, turned into a `LaunchConfig` and back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import image_uuid
from apps.core.errors import Invalid, Problem

MIB = 1024 * 1024

# Form field -> the v1 field whose refusals it shows, where the names differ.
FORM_FIELD_OF = {
    "imageUuid": "image",
    "dataVolumes": "volumes",
    "environment": "env",
    "nanoCpus": "cpus",
    "dockerHealthCheck": "checkCommand",
    "healthCheck": "checkPort",
    "launchConfig": "image",
    "entryPoint": "entryPoint",
    "requestedHostId": "host",
    "serviceId": "links",
    "scale": "scale",
}
SECTIONS = {
    "image": "basics", "name": "basics", "scale": "basics", "description": "basics", "ports": "basics",
    "env": "basics", "links": "basics", "command": "command", "entryPoint": "command", "user": "command",
    "workingDir": "command", "volumes": "volumes", "networkMode": "network", "hostname": "network", "dns": "network",
    "dnsSearch": "network", "extraHosts": "network", "checkCommand": "health", "checkPort": "health",
    "memory": "limits", "memorySwap": "limits", "cpus": "limits", "cpuShares": "limits", "pidsLimit": "limits",
    "capAdd": "limits", "capDrop": "limits", "devices": "limits", "shmSize": "limits", "labels": "labels",
    "host": "labels", "logDriver": "command",
}  # fmt: skip


def form_errors(problem: Problem) -> dict[str, str]:
    """The refusal at the form's own field; what has none goes to the top."""
    parts = str(problem.field or "").removeprefix("launchConfig.").split(".")
    name = FORM_FIELD_OF.get(parts[0], parts[0])
    return {name if name in SECTIONS else "form": problem.message}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def parse_key_values(name: str, text: str) -> dict[str, str]:
    """`KEY=value` lines; a shell's `export`, quotes around a value and comments are taken as people paste them."""
    found: dict[str, str] = {}
    for line in _lines(text):
        if line.startswith("#"):
            continue
        key, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not key.strip():
            raise Invalid(name, "InvalidFormat", _("%(line)r: write KEY=value, one to a line.") % {"line": line[:80]})
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
    try:
        return int(float(text.replace(",", ".")) * factor)
    except (ValueError, OverflowError):
        raise Invalid(name, "InvalidFormat", _("%(text)r is no number.") % {"text": text[:40]}) from None


def parse_ports(form: QueryDict) -> list[str]:
    """The rows of the port table, as v1 writes them."""
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
                _("Say which port inside the container %(port)s leads to.") % {"port": public[:40]},
            )
        if private:
            found.append(f"{public}:{private}/{protocol or 'tcp'}" if public else f"{private}/{protocol or 'tcp'}")
    return found


FieldParser = Callable[[str, str], Any]


def _parse_list(_name: str, text: str) -> list[str]:
    return [word for line in _lines(text) for word in line.replace(",", " ").split()]


FIELD_PARSERS: dict[str, tuple[str, FieldParser]] = {
    "command": ("command", _parse_shell_words),
    "entryPoint": ("entryPoint", _parse_shell_words),
    "workingDir": ("workingDir", lambda _n, t: t),
    "user": ("user", lambda _n, t: t),
    "env": ("environment", parse_key_values),
    "labels": ("labels", parse_key_values),
    "volumes": ("dataVolumes", lambda _n, t: _lines(t)),
    "networkMode": ("networkMode", lambda _n, t: t),
    "hostname": ("hostname", lambda _n, t: t),
    "dns": ("dns", _parse_list),
    "dnsSearch": ("dnsSearch", _parse_list),
    "extraHosts": ("extraHosts", _parse_list),
    "memory": ("memory", lambda n, t: _parse_number(n, t, MIB)),
    "cpus": ("nanoCpus", lambda n, t: _parse_number(n, t, 1e9)),
    "cpuShares": ("cpuShares", _parse_number),
    "pidsLimit": ("pidsLimit", _parse_number),
    "shmSize": ("shmSize", lambda n, t: _parse_number(n, t, MIB)),
    "capAdd": ("capAdd", _parse_list),
    "capDrop": ("capDrop", _parse_list),
    "devices": ("devices", _parse_list),
    "host": ("requestedHostId", lambda _n, t: t),
}
SWITCHES = {"privileged": "privileged", "readOnly": "readOnly", "tty": "tty", "stdin": "stdinOpen", "init": "runInit"}


def form_to_wire(form: QueryDict) -> dict[str, Any]:
    """The form as a v1 launch config, not yet checked; raises `Invalid` at the form's field for what cannot be read."""
    data: dict[str, Any] = {}
    image = form.get("image", "").strip()
    if not image:
        raise Invalid("image", "MissingRequired", _("Name an image, such as nginx:alpine."))
    data["imageUuid"] = image_uuid(image)
    for name, (target, read) in FIELD_PARSERS.items():
        text = form.get(name, "").strip()
        if text:
            data[target] = read(name, text)
    data |= {target: True for name, target in SWITCHES.items() if form.get(name)}
    data["ports"] = parse_ports(form)
    restart = form.get("restart", "")
    if restart:
        data["restartPolicy"] = {"name": restart}
    if form.get("logDriver"):
        data["logConfig"] = {"driver": form.get("logDriver", "").strip(), "config": {}}
    return data | _parse_health_check(form)


def _parse_health_check(form: QueryDict) -> dict[str, Any]:
    kind = form.get("check", "none")
    command = form.get("checkCommand", "").strip()
    if kind == "command" and command:
        return {"dockerHealthCheck": {"test": ["CMD-SHELL", command], **_parse_check_interval(form)}}
    if kind in {"tcp", "http"}:
        port = form.get("checkPort", "").strip()
        if not port:
            raise Invalid("checkPort", "MissingRequired", _("Say which port is to be checked."))
        check: dict[str, Any] = {"port": port}
        if kind == "http":
            check["requestLine"] = f"GET {form.get('checkPath', '').strip() or '/'} HTTP/1.0"
        return {"healthCheck": check}
    return {}


def _parse_check_interval(form: QueryDict) -> dict[str, int]:
    text = form.get("checkInterval", "").strip()
    return {"interval": _parse_number("checkCommand", text, 1000)} if text else {}


def form_to_config(form: QueryDict, *, start: bool = True) -> LaunchConfig:
    """The checked launch config of the form."""
    return LaunchConfig.from_wire(form_to_wire(form) | {"startOnCreate": start})


def config_to_form(config: LaunchConfig) -> dict[str, Any]:
    """A launch config as the form shows it, for a clone."""
    data = config.to_wire()
    values: dict[str, Any] = {"image": _image_text(config)}
    for name, (target, _read) in FIELD_PARSERS.items():
        if data.get(target):
            values[name] = _field_text(name, data[target])
    values |= {name: True for name, target in SWITCHES.items() if data.get(target)}
    values["portRows"] = [(port.public or "", port.private, port.protocol) for port in config.ports]
    values["restart"] = config.restart_policy.name if config.restart_policy else ""
    values["logDriver"] = (config.log_config.driver or "") if config.log_config else ""
    return values | _health_check_values(config)


def _image_text(config: LaunchConfig) -> str:
    kind = (config.image_uuid or "").partition(":")[0]
    return f"sim:{config.image}" if kind == "sim" else config.image


def _health_check_values(config: LaunchConfig) -> dict[str, Any]:
    if config.docker_health_check:
        return {"check": "command", "checkCommand": " ".join(config.docker_health_check.test[1:])}
    check = config.health_check
    if check is None:
        return {"check": "none"}
    words = (check.request_line or "").split()
    path = words[1] if len(words) > 1 else ""
    return {"check": "http" if words else "tcp", "checkPort": check.port, "checkPath": path}


def _field_text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={text}" for key, text in value.items())
    if name in {"command", "entryPoint"}:
        return shlex.join(value)
    if isinstance(value, list | tuple):
        return "\n".join(str(each) for each in value)
    if name in {"memory", "shmSize"}:
        return f"{value / MIB:g}"
    return f"{value / 1e9:g}" if name == "cpus" else str(value)


def submitted_values(form: QueryDict) -> dict[str, Any]:
    """What was typed, to be shown again beside its error."""
    rows = list(
        zip(form.getlist("portPublic"), form.getlist("portPrivate"), form.getlist("portProtocol"), strict=False)
    )
    links = list(zip(form.getlist("linkService"), form.getlist("linkName"), strict=False))
    return {**form.dict(), "portRows": rows, "linkRows": links}
