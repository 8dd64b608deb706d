"""No key of the compose specification is dropped in silence, at any depth: carried over, warned about, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.core.errors import Invalid
from apps.stacks.compose import ComposeStack, parse

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
MAX_DEPTH = 7
LIST = "[]"
# What the schema cannot say: a value that is right and is not the default.
SAMPLES: dict[str, Any] = {
    "blkio_config.weight": "300",
    "blkio_config.weight_device.[].path": "/dev/sda",
    "blkio_config.weight_device.[].weight": "300",
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["all"],
    "cpus": "0.5",
    "cpuset": "0-1",
    "deploy.mode": "global",
    "deploy.resources.limits.cpus": "0.5",
    "deploy.resources.limits.memory": "64m",
    "deploy.resources.reservations.memory": "64m",
    "deploy.restart_policy.condition": "on-failure",
    "devices": ["/dev/null"],
    "dns": ["10.0.0.1"],
    "extends": {"service": "base"},
    "extends.service": "base",
    "external_links": ["a/b:c"],
    "extra_hosts": ["a:10.0.0.1"],
    "healthcheck.test": ["CMD", "true"],
    "ipc": "host",
    "links": ["base"],
    "depends_on": ["base"],
    "network_mode": "host",
    "pid": "host",
    "ports": ["8080:80"],
    "restart": "always",
    "stop_signal": "sigquit",
    "tmpfs": ["/t"],
    "volumes": ["data:/d"],
    "volumes.[].bind.create_host_path": "false",
    "volumes.[].bind.selinux": "z",
    "volumes.[].bind.propagation": "rslave",
    "volumes.[].source": "data",
    "volumes.[].target": "/other",
    "volumes.[].tmpfs.mode": "1777",
    "volumes.[].type": "tmpfs",
    "working_dir": "/w",
}
# What must stand beside a key for it to mean something.
BESIDE: dict[str, dict[str, str]] = {
    "blkio_config.device_read_bps.[]": {"path": "/dev/sda", "rate": "1m"},
    "blkio_config.device_write_bps.[]": {"path": "/dev/sda", "rate": "1m"},
    "blkio_config.device_read_iops.[]": {"path": "/dev/sda", "rate": "1"},
    "blkio_config.device_write_iops.[]": {"path": "/dev/sda", "rate": "1"},
    "blkio_config.weight_device.[]": {"path": "/dev/sdb", "weight": "200"},
    "deploy.restart_policy": {"condition": "on-failure"},
    "extends": {"service": "base"},
    "healthcheck": {"test": "true"},
    "ports.[]": {"target": "81", "published": "91"},
    "ulimits.nofile": {"soft": "5", "hard": "9"},
    "volumes.[]": {"source": "here", "target": "/d"},
    "volumes.[].tmpfs": {},
}
# Said nothing about, because it changes nothing here: every published port is one of the host, ...
WITHOUT_EFFECT = {
    "ports.[].mode",
    # ... and a file says under which name it is kept elsewhere; the stack has its own.
    "name",
    "version",
}


def keys_below(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every key of a schema with the schema of its value; `[]` stands for an entry of a list."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if len(path) > MAX_DEPTH:
        return
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from keys_below(part, path)
    for name, value in schema.get("properties", {}).items():
        yield (*path, name), value
        yield from keys_below(value, (*path, name))
    named = [value for pattern, value in schema.get("patternProperties", {}).items() if not pattern.startswith("^x-")]
    for value in (*named, schema.get("additionalProperties")):
        if isinstance(value, dict) and path:
            yield from keys_below(value, (*path, "nofile" if path[-1] == "ulimits" else "base"))
    if isinstance(schema.get("items"), dict):
        yield from keys_below(schema["items"], (*path, LIST))


SERVICE_KEYS = {".".join(path): value for path, value in keys_below(SCHEMA["$defs"]["service"]) if path[0] != "build"}
TOP_KEYS = {
    ".".join((kind, "data", *path)): value
    for kind in ("networks", "volumes", "secrets", "configs")
    for path, value in keys_below(SCHEMA["$defs"][kind.removesuffix("s")])
}


def sample(path: str, schema: dict[str, Any]) -> Any:
    """A value for a key, by its type."""
    if path in SAMPLES:
        return SAMPLES[path]
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    schema = next(iter(schema.get("oneOf") or schema.get("anyOf") or ()), schema)
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    simple = {"boolean": "true", "integer": "7", "number": "7", "string": "7", "array": ["7"]}
    return simple.get(kind, {"base": "7"})


def nest(path: list[str], value: Any, at: str = "") -> Any:
    """The value at its place, with what must stand beside it."""
    if not path:
        return value
    here = f"{at}.{path[0]}" if at else path[0]
    below = nest(path[1:], value, here)
    return [below] if path[0] == LIST else {**BESIDE.get(at, {}), path[0]: below}


def read(service: dict[str, Any], top: dict[str, Any] | None = None) -> ComposeStack | Invalid:
    base = {"image": "nginx", "command": ["extended"]}
    content = {"services": {"web": {"image": "nginx", **service}, "base": base}, **(top or {})}
    try:
        return parse(yaml.safe_dump(content), stack_name="shop")
    except Invalid as problem:
        return problem


def is_told(path: str, result: ComposeStack | Invalid) -> bool:
    """Whether a refusal or a warning names the key, or one above it."""
    texts = (
        [result.message]
        if isinstance(result, Invalid)
        else [*result.warnings, *(text for each in result.services for text in each.warnings)]
    )
    words = [word for word in path.split(".") if word != LIST]
    paths = {".".join(words[:length]) for length in range(1, len(words) + 1)}
    return any(f"`{each}`" in text for text in texts for each in paths) or (
        words[0] == "profiles" and "COMPOSE_PROFILES" in " ".join(texts)
    )


@pytest.mark.parametrize("path", sorted(SERVICE_KEYS.keys() - WITHOUT_EFFECT))
def test_each_key_of_a_service_is_carried_over_or_told(path: str):
    words = path.split(".")
    given = read(nest(words, sample(path, SERVICE_KEYS[path])))
    parent = ".".join(words[:-1])
    without = read(
        nest(words[:-1], {k: v for k, v in BESIDE.get(parent, {}).items() if k != words[-1]}) if parent else {}
    )
    is_carried = not isinstance(given, Invalid) and given.services != getattr(without, "services", None)
    assert is_carried or is_told(path, given), given


@pytest.mark.parametrize("path", sorted(TOP_KEYS))
def test_each_key_of_the_other_sections_is_carried_over_or_told(path: str):
    kind, name, *words = path.split(".")
    mounts = {"volumes": ["data:/d"]}
    given = read(mounts, {kind: {name: nest(words, sample(path, TOP_KEYS[path]), f"{kind}.{name}")}})
    without = read(mounts, {"volumes": {"data": {}}})
    is_carried = not isinstance(given, Invalid) and given.services != getattr(without, "services", None)
    assert is_carried or is_told(path, given), given


@pytest.mark.parametrize(
    "key", sorted(SCHEMA["properties"].keys() - {"services", "networks", "volumes", "secrets", "configs"})
)
def test_each_key_of_the_file_is_known_or_told(key: str):
    given = read({}, {key: ["x"] if key == "include" else "other"})
    text = given.message if isinstance(given, Invalid) else " ".join(given.warnings)
    assert key in WITHOUT_EFFECT - {"name"} or f"`{key}`" in text or "cannot read others" in text


def test_the_schema_is_walked_to_the_depths():
    """The list of keys is not empty by mistake: it has the keys that were once lost without a word."""
    lost = {
        "healthcheck.start_interval", "deploy.resources.reservations.devices", "deploy.placement",
        "deploy.endpoint_mode", "deploy.restart_policy.delay", "deploy.restart_policy.window", "deploy.mode",
        "deploy.update_config",
        "volumes.[].volume.subpath", "volumes.[].bind.create_host_path", "volumes.[].tmpfs.mode", "pull_policy",
    }  # fmt: skip
    assert lost <= SERVICE_KEYS.keys()
    assert len(SERVICE_KEYS) > 250
