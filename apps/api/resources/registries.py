"""`registry` and `registryCredential`: where an environment's images are pulled from, and with which accounts."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import Action, Data, Link, Resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY, TypeRoles
from apps.containers.registry_check import registry_check
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.hosts.models import Host
from apps.vault.models import Registry, RegistryCredential
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.selectors import registry_credentials_of
from apps.vault.registries.services import (
    check_account,
    registry_act,
    registry_create,
    registry_credential_act,
    registry_credential_create,
    registry_credential_update,
    registry_update,
)

_ROLES = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
_ACCOUNT = {
    "name": "name",
    "description": "description",
    "public_value": "publicValue",
    "secret_value": "secretValue",
    "email": "email",
}


class RegistryTestInputResource(EmbeddedResource):
    """The account to test at a registry, and the host that is to ask; without an account the stored one is tested."""

    name = "registryTestInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        publicValue string          c 0..255
        secretValue password        c 0..32768
        hostId      reference[host] c
    """)


class RegistryTestResource(EmbeddedResource):
    """Whether a registry accepted an account: `verdict` for programs, `message` and `remedy` for people."""

    name = "registryTest"
    roles = READ_ONLY
    own_fields = parse_fields("""
        accepted      boolean r
        engineMessage string  r
        host          string  r
        message       string  r
        remedy        string  r
        verdict       string  r
    """)


def _test(caller: ApiCaller, row: Registry, data: Data) -> Data:
    verdict = registry_check(
        actor=caller.actor,
        environment=row.environment,
        login=_login_to_test(caller, row, data),
        host=_find_host(caller, row, data.get("hostId") or ""),
    )
    return {
        "type": "registryTest",
        "links": {},
        "actions": {},
        "accepted": verdict.is_accepted,
        "engineMessage": verdict.message or None,
        "host": verdict.host or None,
        "message": verdict.text,
        "remedy": verdict.remedy or None,
        "verdict": verdict.kind,
    }


def _login_to_test(caller: ApiCaller, row: Registry, data: Data) -> RegistryLogin:
    if data.get("publicValue") or data.get("secretValue"):
        names = {"public_value": data.get("publicValue") or "", "secret_value": data.get("secretValue") or ""}
        account = check_account(names)
        return RegistryLogin(row.domain, account["public_value"], account["secret_value"])
    rows = registry_credentials_of(caller.actor, row.environment_id)
    stored = rows.filter(registry=row, desired="active").first()
    return stored.login if stored is not None else RegistryLogin(row.domain, "", "")


def _find_host(caller: ApiCaller, row: Registry, text: str) -> Host | None:
    if not text:
        return None
    hosts = Host.objects.within(caller.environments()).filter(environment=row.environment_id, removed=None)
    found: Host | None = hosts.filter(pk=row_number(text) or 0).first()
    if found is None:
        raise Invalid("hostId", "InvalidReference", f"There is no host {text[:64]!r} in this environment.")
    return found


class RegistryResource(Resource):
    """A registry; v1 counts it among the storage pools, whose fields say nothing about it here.

    Not in Rancher's v1: the action `test`, and `mirror`, where its images are pulled from first.
    """

    name = "registry"
    plural = "registries"
    base_type = "storagePool"
    model = Registry
    roles = _ROLES
    own_fields = parse_fields("""
        blockDevicePath    string        r
        driverName         string        r
        externalId         string        r
        mirror             string        cu <mirror 0..255
        serverAddress      string        cr <server_address * 1..255
        volumeAccessMode   string        r
        volumeCapabilities array[string] r
    """)
    computed = {
        name: lambda _context: None
        for name in ("blockDevicePath", "driverName", "externalId", "volumeAccessMode", "volumeCapabilities")
    }
    custom_actions = {"test": Action(_test, input="registryTestInput", output="registryTest")}
    links = {
        "account": Link("project", attribute="environment_id"),
        "credentials": Link("registryCredential", column="registry"),
    }

    def create(self, caller: ApiCaller, data: Data) -> Registry:
        """Add a registry."""
        named = pick(data, server_address="serverAddress", mirror="mirror", name="name", description="description")
        return registry_create(actor=caller.actor, environment=caller.require_environment(), **named)

    def update(self, caller: ApiCaller, row: Registry, data: Data) -> None:
        """Change mirror, name and description."""
        registry_update(row, actor=caller.actor, **data)

    def act(self, caller: ApiCaller, row: Registry, action: str) -> None:
        """Activate, deactivate, remove, purge, restore."""
        registry_act(row, action, actor=caller.actor)


class RegistryCredentialResource(Resource):
    """An account at a registry; its secret is written and never read."""

    name = "registryCredential"
    base_type = "credential"
    model = RegistryCredential
    roles = _ROLES
    own_fields = parse_fields("""
        email       string              cu <email * 0..255
        publicValue string              cu <public_value 0..255
        registryId  reference[registry] cr <registry_id *
        secretValue password            cu ! 0..32768
    """)
    computed = {"secretValue": lambda _context: None}
    links = {
        "account": Link("project", attribute="environment_id"),
        "registry": Link("registry", attribute="registry_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the caller's environments."""
        return RegistryCredential.objects.within(caller.environments()).select_related("registry")

    def create(self, caller: ApiCaller, data: Data) -> RegistryCredential:
        """Add an account to a registry of the environment."""
        environment = caller.require_environment()
        registries = Registry.objects.within([environment.pk]).filter(removed=None).select_related("environment")
        registry = registries.filter(pk=row_number(data["registryId"]) or 0).first()
        if registry is None:
            raise Invalid("registryId", "InvalidReference", f"There is no registry {data['registryId'][:64]!r} here.")
        return registry_credential_create(actor=caller.actor, registry=registry, **pick(data, **_ACCOUNT))

    def update(self, caller: ApiCaller, row: RegistryCredential, data: Data) -> None:
        """Change the account; the next pull uses it."""
        registry_credential_update(row, actor=caller.actor, **pick(data, **_ACCOUNT))

    def act(self, caller: ApiCaller, row: RegistryCredential, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        registry_credential_act(row, action, actor=caller.actor)
