"""What the rows of a Rancher 1.x server mean for a move, in words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from corral_cli.portal_api import Json

EXTERNAL_ID = "rancher:"  # of the stacks that are made, before the uuid that they have on the old server
WITHOUT_CONTAINERS = frozenset({"dnsService", "externalService"})
_IN_UPGRADE = frozenset(
    {
        "upgrading",
        "upgraded",
        "canceling-upgrade",
        "canceled-upgrade",
        "rolling-back",
        "canceling-rollback",
        "canceled-rollback",
        "finishing-upgrade",
    }
)
_INFRASTRUCTURE = {
    "ipsec": "each environment here has a network between its hosts, encrypted where that is wanted",
    "vxlan": "each environment here has a network between its hosts, encrypted where that is wanted",
    "network-services": "names and metadata are answered by the agents of the hosts",
    "healthcheck": "health is checked by the agents of the hosts",
    "scheduler": "the portal places containers itself",
    "per-host-subnet": "each environment here has a network between its hosts",
    "network-policy-manager": "the network policy is a setting of the environment",
    "nfs": "install a volume plugin for NFS on the hosts by hand",
    "ebs": "install a volume plugin for EBS on the hosts by hand",
    "route53": "names in public DNS are not managed here",
    "external-dns": "names in public DNS are not managed here",
}
SETTINGS = {
    "api.host": "the URL of this portal is a setting of its own",
    "registry.default": "write it into the names of images, or add it under Registries",
    "registry.whitelist": "registries cannot be limited here: members who operate an environment choose its images",
    "api.auth.provider.configured": "set the login provider up under Login",
}
"""Settings that people change, and what is to be done about them here."""

_INFRA_ID = re.compile(r"(?:system-)?catalog://[^:]*:infra\*([^:]*)")
_SYSTEM_ID = re.compile(r"system(?:-catalog)?://")  # of 1.1, and of what an environment's template brought
_CATALOG_ID = re.compile(r"catalog://([^:]*:[^:]*)")
_OWN_LABELS = "io.rancher.host."
_ID_LIKE = re.compile(r"[0-9a-f]{64}")


def orchestration(project: Json) -> str:
    """What schedules the containers of an environment: `cattle`, or something that has no counterpart here."""
    named = str(project.get("orchestration") or "").lower()
    others = ("kubernetes", "swarm", "mesos", "windows")
    return named or next((each for each in others if project.get(each)), "cattle")


def external_id(stack: Json) -> str:
    """How an imported stack is found again."""
    return f"{EXTERNAL_ID}{stack.get('uuid') or stack.get('id')}"[:128]


def infrastructure(stack: Json) -> str:
    """What takes the place of a stack of the server's own; empty for everybody else's."""
    external = str(stack.get("externalId") or "")
    found = _INFRA_ID.match(external)
    if not (found or stack.get("system") or _SYSTEM_ID.match(external)):
        return ""
    name = (found[1] if found else str(stack.get("name") or "")).lower()
    return next(
        (why for each, why in _INFRASTRUCTURE.items() if each in name), "it is a part of the old server; it stays there"
    )


def catalog_template(stack: Json) -> str:
    """The template that a stack was launched from; empty without one."""
    found = _CATALOG_ID.match(str(stack.get("externalId") or ""))
    return found[1] if found else ""


def unfinished_upgrades(stack: Json, services: Iterable[Json]) -> list[str]:
    """What of a stack is in an upgrade that was not finished, with its state."""
    rows = [stack, *services]
    return [f"{each.get('name')} is {each.get('state')}" for each in rows if each.get("state") in _IN_UPGRADE]


def is_wanted(service: Json) -> bool:
    """Whether it runs on the old server, or is to."""
    return service.get("state") in {"active", "activating", "updating-active", "restarting"}


def is_balancer(service: Json) -> bool:
    """Whether its containers are the old server's balancer."""
    return service.get("type") == "loadBalancerService"


def has_containers(service: Json) -> bool:
    """Whether a service has containers of its own: an alias, an address elsewhere or a selector alone has none."""
    image = str((service.get("launchConfig") or {}).get("imageUuid") or "")
    return service.get("type") not in WITHOUT_CONTAINERS and "rancher/none" not in image


def own_labels(host: Json) -> dict[str, str]:
    """The labels of a host that somebody gave it; the agent finds out the others itself."""
    labels = host.get("labels")
    if not isinstance(labels, Mapping):
        return {}
    return {str(name): str(value) for name, value in labels.items() if not str(name).startswith(_OWN_LABELS)}


def stack_id_of(service: Json) -> str:
    """The stack of a service, in either dialect."""
    return str(service.get("stackId") or service.get("environmentId") or "")


def is_single(container: Json) -> bool:
    """Whether a container belongs to no service and to no infrastructure."""
    return not (container.get("serviceIds") or container.get("serviceId") or container.get("system")) and not (
        (container.get("labels") or {}).get("io.rancher.stack.name")
    )


def named_volumes(volumes: Iterable[Json]) -> list[Json]:
    """The volumes that somebody named, each name and driver once."""
    found: dict[tuple[str, str], Json] = {}
    for each in volumes:
        name = str(each.get("name") or "")
        if name and not name.startswith("/") and not each.get("isHostPath") and not _ID_LIKE.fullmatch(name):
            found.setdefault((name, str(each.get("driver") or "")), each)
    return [found[key] for key in sorted(found)]


def catalogs_of(setting: str) -> list[tuple[str, str]]:
    """The catalogs that somebody added, as (name, URL); the setting is JSON since 1.2, `name=url` pairs before."""
    found: list[tuple[str, str]] = []
    try:
        data = json.loads(setting or "{}")
        catalogs = data.get("catalogs") if isinstance(data, dict) else None
        for name, each in (catalogs or {}).items():
            found.append((str(name), str(each.get("url") if isinstance(each, dict) else each)))
    except (ValueError, AttributeError):
        for part in setting.split(","):
            name, equals, url = part.strip().partition("=")
            if equals:
                found.append((name, url))
    return [(name, _without_credentials(url)) for name, url in found if name not in {"library", "community"}]


def _without_credentials(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def with_existing_volumes(compose: str, names: Sequence[str]) -> str:
    """The file with volumes declared that its services mount by name and its top level does not have.

    On the old server such a name is the engine's; here the volume would be a new one, of the stack.
    """
    if not names:
        return compose
    lines = compose.splitlines()
    at = next((number for number, line in enumerate(lines) if re.fullmatch(r"volumes:\s*", line)), None)
    following = "" if at is None else next((line for line in lines[at + 1 :] if line.strip()), "")
    indent = following[: len(following) - len(following.lstrip())] or "  "
    declared = [line for name in names for line in (f"{indent}{json.dumps(name)}:", f"{indent}  external: true")]
    if at is None:
        return "\n".join([*lines, "volumes:", *declared, ""])
    return "\n".join([*lines[: at + 1], *declared, *lines[at + 1 :], ""])


def in_order(names: Sequence[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The stacks so that each comes after those that it links to, as far as links in a circle allow."""
    ordered: dict[str, None] = {}
    for name in names:
        path = [(name, iter(needs.get(name, ())))]
        open_ones = {name}
        while path:
            current, rest = path[-1]
            following = next((each for each in rest if each in needs and each not in ordered), None)
            if following is None:
                ordered.setdefault(current)
                path.pop()
            elif following not in open_ones:
                open_ones.add(following)
                path.append((following, iter(needs.get(following, ()))))
    return list(ordered)
