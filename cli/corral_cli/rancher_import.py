"""What a Rancher 1.x server has is made here, as far as it can be; every row of it becomes a line of a report.

Nothing is remembered between two runs: what is there already is found by its name, and stacks by the uuid that they
have on the old server. So an interrupted run is repeated, and a second one finds what the first has made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from corral_cli import rancher_facts as facts
from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.rancher_report import BY_HAND, CARRIED, LEFT, THERE, ImportReport
from corral_cli.rancher_server import RancherServer
from corral_cli.rancher_stacks import StackImport
from corral_cli.terminal import printable
from corral_cli.waiting import Waiter

_CATALOG_SETTING = "catalog.url"
_OLD_SUBNET = "10.42."  # of every Rancher server, and of environments here unless they say otherwise
NEW_SUBNET = "10.44.0.0/16"
"""The network of environments that are made: both have one on the same hosts for a while."""


@dataclass
class RancherImport:
    """One run. `is_dry` makes nothing; `adopts` has imported stacks take over what runs on the hosts that joined."""

    old: RancherServer
    portal: PortalApi
    api_inside: Callable[[str], PortalApi]
    waiter_of: Callable[[PortalApi], Waiter]
    progress: Callable[[str], None]
    is_dry: bool = False
    adopts: bool = False
    report: ImportReport = field(default_factory=ImportReport)

    def run(self, names: Sequence[str] = ()) -> None:
        """Import the environments with these names or ids, all without any. Raises `CliError` when it cannot go on."""
        projects = _chosen(self.old.projects(), names, self.old.root)
        known = {str(each["name"]).lower(): each for each in self.portal.projects()}
        for project in projects:
            self.report.environment = str(project.get("name") or project.get("id"))
            self.progress(f"Reading {self.report.environment}")
            self._import_environment(project, known.get(self.report.environment.lower()))
        self.report.environment = ""
        self._report_settings()

    def _import_environment(self, project: Json, known: Json | None) -> None:
        runs_on = facts.orchestration(project)
        if runs_on != "cattle":
            why = f"it runs on {runs_on}; only environments whose containers Rancher itself places are moved"
            self.report.add("environment", project, LEFT, why)
            return
        if project.get("state") not in {None, "active"}:
            self.report.add("environment", project, LEFT, f"it is {project.get('state')}; activate it there first")
            return
        api = self._environment_here(project, known)
        if api is None and not self.is_dry:
            return
        self._report_members(project)
        self._import_hosts(project, api)
        self._import_registries(project, api)
        self._report_certificates(project, api)
        stacks = StackImport(
            self.old, self.portal, api, self.waiter_of, self._old, self.report, self.progress, is_dry=self.is_dry
        )
        stacks.run(project)
        self._report_rest(project)
        if self.adopts and api is not None:
            self._adopt(api)

    def _environment_here(self, project: Json, known: Json | None) -> PortalApi | None:
        """The environment of the same name here, made where there is none; None where it is not, or only would be."""
        if known is not None:
            subnet = str(known.get("subnet") or "")
            why = f"its network {subnet} is that of the old server: choose another under Network before hosts join"
            self.report.add("environment", project, THERE, why if subnet.startswith(_OLD_SUBNET) else "")
            return self.api_inside(str(known["id"]))
        if self.is_dry:
            self.report.add("environment", project, CARRIED)
            return None
        body = {"name": project.get("name"), "description": project.get("description") or "", "subnet": NEW_SUBNET}
        try:
            made = self.waiter_of(self.portal).until_settled(self.portal.post("/v1/projects", body))
        except CliError as error:
            self.report.refuse("environment", project, error, "create it by hand, and run this again")
            return None
        self.report.add("environment", project, CARRIED)
        return self.api_inside(str(made["id"]))

    def _old(self, project: Json, plural: str, kind: str) -> list[Json]:
        """What the old environment has of a type; a line where the key may not see it."""
        found = self.old.list_all(project, plural)
        if found is None:
            self.report.add(kind, "-", LEFT, "this key does not see them on the old server")
        return sorted(found or (), key=lambda each: str(each.get("name") or each.get("id")))

    def _report_members(self, project: Json) -> None:
        for each in self._old(project, "projectmembers", "member"):
            who = str(each.get("name") or each.get("externalId") or each.get("id"))
            kind, role = each.get("externalIdType"), each.get("role")
            self.report.add("member", who, BY_HAND, f"{kind}, {role}: add the account here under Members")

    def _import_hosts(self, project: Json, api: PortalApi | None) -> None:
        here: dict[str, Json] = {}
        for each in api.list_all("hosts", removed_null=1) if api is not None else ():
            here |= {str(each.get(name) or "").lower(): each for name in ("hostname", "name") if each.get(name)}
        for host in self._old(project, "hosts", "host"):
            name, labels = str(host.get("hostname") or host.get("name") or host.get("id")), facts.own_labels(host)
            found = here.get(name.lower()) or here.get(str(host.get("name") or "").lower())
            said = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
            if found is None or api is None:
                more = f"; its labels {said} are set by the next run" if said else ""
                self.report.add(
                    "host", name, BY_HAND, f"add it under Hosts, beside the old agent, with CORRAL_NETWORK=off{more}"
                )
                continue
            self._label_host(api, found, name, labels, said)

    def _label_host(self, api: PortalApi, found: Json, name: str, labels: Mapping[str, str], said: str) -> None:
        current = found.get("labels") or {}
        missing = {key: value for key, value in labels.items() if current.get(key) != value}
        if not missing:
            self.report.add("host", name, THERE, f"labels {said}" if said else "")
            return
        own = {key: value for key, value in current.items() if not key.startswith("io.rancher.host.")}
        try:
            if not self.is_dry:
                api.put(found, {"labels": {**own, **missing}})
        except CliError as error:
            self.report.refuse("host", name, error)
            return
        self.report.add("host", name, CARRIED, f"it is here; it gets the labels {said}")

    def _import_registries(self, project: Json, api: PortalApi | None) -> None:
        here = {str(each.get("serverAddress")) for each in api.list_all("registries", removed_null=1)} if api else set()
        addresses = {}
        for registry in self._old(project, "registries", "registry"):
            address = str(registry.get("serverAddress") or "")
            addresses[str(registry.get("id"))] = address
            if address in here:
                self.report.add("registry", address, THERE)
                continue
            try:
                if api is not None and not self.is_dry:
                    self.waiter_of(api).until_settled(api.post("registries", {"serverAddress": address}))
            except CliError as error:
                self.report.refuse("registry", address, error)
                continue
            self.report.add("registry", address, CARRIED)
        for each in self._old(project, "registrycredentials", "registry login"):
            address = addresses.get(str(each.get("registryId")), "")
            who = f"{each.get('publicValue') or each.get('name') or ''}@{address}"
            why = "Rancher does not give passwords out: enter it under Registries"
            self.report.add("registry login", who, BY_HAND, why)

    def _report_certificates(self, project: Json, api: PortalApi | None) -> None:
        here = {str(each["name"]) for each in api.list_all("certificates", removed_null=1)} if api else set()
        for each in self._old(project, "certificates", "certificate"):
            name = str(each.get("name") or each.get("id"))
            if name in here:
                self.report.add("certificate", name, THERE)
                continue
            known = ", ".join(str(each[key]) for key in ("CN", "expiresAt") if each.get(key))
            why = "Rancher does not give private keys out: add it under Certificates by this name"
            self.report.add("certificate", name, BY_HAND, f"{why} ({known})" if known else why)

    def _report_rest(self, project: Json) -> None:
        for each in self._old(project, "containers", "container"):
            if facts.is_single(each):
                self.report.add(
                    "container", each, BY_HAND, "it is in no stack: `corral adopt` makes one of it on its host"
                )
        for each in facts.named_volumes(self._old(project, "volumes", "volume")):
            why = f"driver {each.get('driver') or 'local'}: it stays on its host, with what is in it"
            self.report.add("volume", each, LEFT, why)
        if self.old.dialect != "v1":
            for each in self._old(project, "secrets", "secret"):
                self.report.add("secret", each, LEFT, "Rancher does not give its value out")
        for each in self._old(project, "apikeys", "API key"):
            why = "Rancher does not give secrets out: create a new one under API"
            self.report.add("API key", each, LEFT, why)

    def _report_settings(self) -> None:
        settings = self.old.settings()
        if settings is None:
            self.report.add(
                "setting",
                "-",
                LEFT,
                "this key does not see the settings of the old server: use one of an administrator",
            )
            return
        for name, url in facts.catalogs_of(settings.get(_CATALOG_SETTING, "")):
            self.report.add("catalog", name, BY_HAND, f"add it under Catalogs: {url}")
        for name, remedy in facts.SETTINGS.items():
            if settings.get(name):
                self.report.add("setting", name, BY_HAND, f"{settings[name][:200]}: {remedy}")

    def _adopt(self, api: PortalApi) -> None:
        """Have the imported stacks take over what the agents of the hosts have found."""
        mine = {
            str(each["name"]).lower()
            for each in api.list_all("environments", removed_null=1)
            if str(each.get("externalId") or "").startswith(facts.EXTERNAL_ID)
        }
        hosts = {each["id"]: each.get("name") or each.get("hostname") for each in api.list_all("hosts")}
        for candidate in api.list_all("adoptioncandidates"):
            if candidate["kind"] != "rancher" or str(candidate["name"]).lower() not in mine:
                continue
            name = f"{candidate['name']} on {hosts.get(candidate['hostId'])}"
            try:
                self._adopt_one(api, candidate, name)
            except CliError as error:
                self.report.refuse("containers", name, error)

    def _adopt_one(self, api: PortalApi, candidate: Json, name: str) -> None:
        self.progress(f"Looking at {name}")
        plan = api.act(candidate, "preview")
        notes = [str(each) for each in plan["notes"]]
        if plan["obstacles"]:
            self.report.add("containers", name, BY_HAND, " ".join([*map(str, plan["obstacles"]), *notes]))
            return
        if not self.is_dry:
            self.waiter_of(api).until_settled(api.act(candidate, "adopt", {"basis": plan["basis"]}))
        count = sum(len(each["containers"]) for each in plan["services"])
        self.report.add("containers", name, CARRIED, " ".join([f"{count} taken over as they are.", *notes]))


def _chosen(projects: Iterable[Json], names: Sequence[str], root: str) -> list[Json]:
    """The environments that are meant. Raises `CliError` for a name that none has."""
    found = list(projects)
    if not found:
        raise CliError(f"This key sees no environment of {root}: use one of an account's.", ExitCode.NOT_FOUND)
    if not names:
        return found
    chosen = {}
    for name in names:
        meant = [each for each in found if name == each.get("id") or name.lower() == str(each.get("name")).lower()]
        if not meant:
            known = ", ".join(printable(each.get("name")) for each in found)
            raise CliError(
                f"{root} has no environment {name[:100]!r} for this key: it sees {known}.", ExitCode.NOT_FOUND
            )
        chosen.update({str(each.get("id")): each for each in meant})
    return list(chosen.values())
