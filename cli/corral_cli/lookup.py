"""Finding what people name: by id, by name, or as stack/service."""

from __future__ import annotations

import re
from collections.abc import Sequence

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.terminal import printable

KINDS = {"stack": "environments", "service": "services", "container": "containers", "host": "hosts"}
_ID = re.compile(r"1[a-z]{1,4}\d{1,18}")
_ID_KIND = {"1e": "stack", "1s": "service", "1i": "container", "1h": "host"}


def find_stack(api: PortalApi, name: str) -> Json | None:
    """A stack by id or name; in the second place without regard to case, as rancher-compose looks for it."""
    if _ID.fullmatch(name):
        return _by_id(api, "stack", name)
    found = api.list_all("environments", name=name, removed_null=1)
    if not found:
        every = api.list_all("environments", removed_null=1)
        found = [each for each in every if str(each["name"]).lower() == name.lower()]
    return found[0] if found else None


def require_stack(api: PortalApi, name: str) -> Json:
    """The same. Raises `CliError` when there is none."""
    return find_stack(api, name) or _missing("stack", name)


def find_services(api: PortalApi, name: str) -> list[Json]:
    """The services that `name` or `stack/name` may mean."""
    if _ID.fullmatch(name):
        found = _by_id(api, "service", name)
        return [found] if found else []
    stack_name, _slash, service = name.rpartition("/")
    if not stack_name:
        return api.list_all("services", name=service, removed_null=1)
    stack = find_stack(api, stack_name)
    return api.list_all("services", environmentId=stack["id"], name=service, removed_null=1) if stack else []


def find(api: PortalApi, name: str, kinds: Sequence[str] = ("service", "container", "stack", "host")) -> Json:
    """The one resource of these kinds that the name means. Raises `CliError` when it is none or several."""
    for kind in kinds:
        found = _find_kind(api, kind, name)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(sorted(f"{_full_name(api, kind, each)} ({each['id']})" for each in found))
            how = "stack/service" if kind == "service" else "its id"
            raise CliError(f"Several can be meant by {name!r}: {listed}. Say {how}.", ExitCode.USAGE)
    return _missing(" or ".join(kinds), name)


def _full_name(api: PortalApi, kind: str, found: Json) -> str:
    """The name of one of several; a service's with its stack's, which tells them apart."""
    name = printable(found["name"])
    if kind != "service":
        return name
    stack = api.get(f"environments/{found['environmentId']}")
    return f"{printable(stack['name'])}/{name}"


def only_host(api: PortalApi, name: str) -> Json:
    """The host of this name or id; without one the only host of the environment. Raises `CliError`."""
    if name:
        return find(api, name, ("host",))
    hosts = api.list_all("hosts", removed_null=1)
    if len(hosts) != 1:
        raise CliError("Say to which host, with --host." if hosts else "There is no host yet.", ExitCode.USAGE)
    return hosts[0]


def services_of(api: PortalApi, stack: Json) -> list[Json]:
    """The services of a stack, by name."""
    found = api.list_all("services", environmentId=stack["id"], removed_null=1)
    return sorted(found, key=lambda each: str(each["name"]))


def containers_of(api: PortalApi, service: Json) -> list[Json]:
    """The containers of a service that are there, by name."""
    found = api.list_all(service["links"]["instances"])
    alive = [each for each in found if not each.get("removed") and each["state"] not in {"removed", "purged"}]
    return sorted(alive, key=lambda each: str(each["name"]))


def containers_meant(api: PortalApi, name: str) -> list[Json]:
    """The containers of a name: a container itself, those of a service, or those of a whole stack."""
    found = find(api, name, ("container", "service", "stack"))
    if found["type"] == "container":
        return [found]
    services = services_of(api, found) if found["type"] == "environment" else [found]
    return [each for service in services for each in containers_of(api, service)]


def _find_kind(api: PortalApi, kind: str, name: str) -> list[Json]:
    if kind == "service":
        return find_services(api, name)
    if kind == "stack":
        found = find_stack(api, name)
        return [found] if found else []
    if _ID.fullmatch(name):
        one = _by_id(api, kind, name)
        return [one] if one else []
    if kind == "host":
        every = api.list_all("hosts", removed_null=1)
        return [each for each in every if name in {each.get("hostname"), each.get("name")}]
    return _containers(api, name)


def _containers(api: PortalApi, name: str) -> list[Json]:
    found = api.list_all("containers", name=name, removed_null=1)
    if found or not re.fullmatch(r"[0-9a-f]{12,64}", name):
        return found
    return api.list_all("containers", externalId_prefix=name, removed_null=1)


def _by_id(api: PortalApi, kind: str, key: str) -> Json | None:
    if _ID_KIND.get(key.rstrip("0123456789")) != kind:
        return None
    try:
        return api.get(f"{KINDS[kind]}/{key}")
    except CliError as error:
        if error.code is ExitCode.NOT_FOUND:
            return None
        raise


def _missing(kind: str, name: str) -> Json:
    raise CliError(
        f"There is no {kind} {printable(name)!r} here: see `corral ps` and `corral stacks`.", ExitCode.NOT_FOUND
    )
