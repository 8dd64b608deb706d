"""The launch form: what a person typed, turned into a `LaunchConfig` and back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.containers.spec import LaunchConfig, image_uuid
from apps.core.errors import Invalid, Problem

MIB = 1024 * 1024

# Form field -> the v1 field whose refusals it shows, where the names differ.
SHOWN_AT = {
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


def errors_of(problem: Problem) -> dict[str, str]:
    """The refusal at the form's own field; what has none goes to the top."""
    parts = str(problem.field or "").removeprefix("launchConfig.").split(".")
    name = SHOWN_AT.get(parts[0], parts[0])
    return {name if name in SECTIONS else "form": problem.message}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def pairs(name: str, text: str) -> dict[str, str]:
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


def _words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise Invalid(name, "InvalidFormat", _("A quotation mark is not closed.")) from None


def _number(name: str, text: str, factor: float = 1) -> int:
    try:
        return int(float(text.replace(",", ".")) * factor)
    except (ValueError, OverflowError):
        raise Invalid(name, "InvalidFormat", _("%(text)r is no number.") % {"text": text[:40]}) from None


def ports(posted: QueryDict) -> list[str]:
    """The rows of the port table, as v1 writes them."""
    rows = zip(
        posted.getlist("portPublic"),
        posted.getlist("portPrivate"),
        posted.getlist("portProtocol"),
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


Reader = Callable[[str, str], Any]


def _listed(_name: str, text: str) -> list[str]:
    return [word for line in _lines(text) for word in line.replace(",", " ").split()]


READERS: dict[str, tuple[str, Reader]] = {
    "command": ("command", _words),
    "entryPoint": ("entryPoint", _words),
    "workingDir": ("workingDir", lambda _n, t: t),
    "user": ("user", lambda _n, t: t),
    "env": ("environment", pairs),
    "labels": ("labels", pairs),
    "volumes": ("dataVolumes", lambda _n, t: _lines(t)),
    "networkMode": ("networkMode", lambda _n, t: t),
    "hostname": ("hostname", lambda _n, t: t),
    "dns": ("dns", _listed),
    "dnsSearch": ("dnsSearch", _listed),
    "extraHosts": ("extraHosts", _listed),
    "memory": ("memory", lambda n, t: _number(n, t, MIB)),
    "cpus": ("nanoCpus", lambda n, t: _number(n, t, 1e9)),
    "cpuShares": ("cpuShares", _number),
    "pidsLimit": ("pidsLimit", _number),
    "shmSize": ("shmSize", lambda n, t: _number(n, t, MIB)),
    "capAdd": ("capAdd", _listed),
    "capDrop": ("capDrop", _listed),
    "devices": ("devices", _listed),
    "host": ("requestedHostId", lambda _n, t: t),
}
SWITCHES = {"privileged": "privileged", "readOnly": "readOnly", "tty": "tty", "stdin": "stdinOpen", "init": "runInit"}


def wire_of(posted: QueryDict) -> dict[str, Any]:
    """The form as a v1 launch config, not yet checked; raises `Invalid` at the form's field for what cannot be read."""
    data: dict[str, Any] = {}
    image = posted.get("image", "").strip()
    if not image:
        raise Invalid("image", "MissingRequired", _("Name an image, such as nginx:alpine."))
    data["imageUuid"] = image_uuid(image)
    for name, (target, read) in READERS.items():
        text = posted.get(name, "").strip()
        if text:
            data[target] = read(name, text)
    data |= {target: True for name, target in SWITCHES.items() if posted.get(name)}
    data["ports"] = ports(posted)
    restart = posted.get("restart", "")
    if restart:
        data["restartPolicy"] = {"name": restart}
    if posted.get("logDriver"):
        data["logConfig"] = {"driver": posted.get("logDriver", "").strip(), "config": {}}
    return data | _check_of(posted)


def _check_of(posted: QueryDict) -> dict[str, Any]:
    kind = posted.get("check", "none")
    command = posted.get("checkCommand", "").strip()
    if kind == "command" and command:
        return {"dockerHealthCheck": {"test": ["CMD-SHELL", command], **_timing(posted)}}
    if kind in {"tcp", "http"}:
        port = posted.get("checkPort", "").strip()
        if not port:
            raise Invalid("checkPort", "MissingRequired", _("Say which port is to be checked."))
        check: dict[str, Any] = {"port": port}
        if kind == "http":
            check["requestLine"] = f"GET {posted.get('checkPath', '').strip() or '/'} HTTP/1.0"
        return {"healthCheck": check}
    return {}


def _timing(posted: QueryDict) -> dict[str, int]:
    text = posted.get("checkInterval", "").strip()
    return {"interval": _number("checkCommand", text, 1000)} if text else {}


def config_of(posted: QueryDict, *, start: bool = True) -> LaunchConfig:
    """The checked launch config of the form."""
    return LaunchConfig.from_wire(wire_of(posted) | {"startOnCreate": start})


def values_of(config: LaunchConfig) -> dict[str, Any]:
    """A launch config as the form shows it, for a clone."""
    data = config.to_wire()
    values: dict[str, Any] = {"image": _image_text(config)}
    for name, (target, _read) in READERS.items():
        if data.get(target):
            values[name] = _text(name, data[target])
    values |= {name: True for name, target in SWITCHES.items() if data.get(target)}
    values["portRows"] = [(port.public or "", port.private, port.protocol) for port in config.ports]
    values["restart"] = config.restart_policy.name if config.restart_policy else ""
    values["logDriver"] = (config.log_config.driver or "") if config.log_config else ""
    return values | _check_values(config)


def _image_text(config: LaunchConfig) -> str:
    kind = (config.image_uuid or "").partition(":")[0]
    return f"sim:{config.image}" if kind == "sim" else config.image


def _check_values(config: LaunchConfig) -> dict[str, Any]:
    if config.docker_health_check:
        return {"check": "command", "checkCommand": " ".join(config.docker_health_check.test[1:])}
    check = config.health_check
    if check is None:
        return {"check": "none"}
    words = (check.request_line or "").split()
    path = words[1] if len(words) > 1 else ""
    return {"check": "http" if words else "tcp", "checkPort": check.port, "checkPath": path}


def _text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={text}" for key, text in value.items())
    if name in {"command", "entryPoint"}:
        return shlex.join(value)
    if isinstance(value, list | tuple):
        return "\n".join(str(each) for each in value)
    if name in {"memory", "shmSize"}:
        return f"{value / MIB:g}"
    return f"{value / 1e9:g}" if name == "cpus" else str(value)


def typed(posted: QueryDict) -> dict[str, Any]:
    """What was typed, to be shown again beside its error."""
    rows = list(
        zip(posted.getlist("portPublic"), posted.getlist("portPrivate"), posted.getlist("portProtocol"), strict=False)
    )
    links = list(zip(posted.getlist("linkService"), posted.getlist("linkName"), strict=False))
    return {**posted.dict(), "portRows": rows, "linkRows": links}
