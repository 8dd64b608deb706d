"""The stacks of one environment of a Rancher server: read, checked, made here stopped, and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from corral_cli import rancher_facts as facts
from corral_cli.errors import CliError
from corral_cli.portal_api import Json, PortalApi
from corral_cli.rancher_report import BY_HAND, CARRIED, DIFFERS, FINAL, LEFT, REFUSED, THERE, ImportReport
from corral_cli.rancher_server import RancherServer
from corral_cli.waiting import Waiter


@dataclass
class _OldStack:
    """A stack of the old server, read whole."""

    row: Json
    services: list[Json]
    docker: str = ""
    rancher: str = ""
    check: Json = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        return str(self.row.get("name") or "")


@dataclass
class StackImport:
    """The import of an environment's stacks: into `api`, or nowhere where that environment only would be made.

    `read` returns what the old environment has of a type; `portal` checks files before there is an environment.
    """

    old: RancherServer
    portal: PortalApi
    api: PortalApi | None
    waiter_of: Callable[[PortalApi], Waiter]
    read: Callable[[Json, str, str], list[Json]]
    report: ImportReport
    progress: Callable[[str], None]
    is_dry: bool = False

    def run(self, project: Json) -> None:
        """Import the stacks of an environment of the old server."""
        services: dict[str, list[Json]] = {}
        for each in self.read(project, "services", "service"):
            services.setdefault(facts.stack_id_of(each), []).append(each)
        here = {}
        if self.api is not None:
            here = {str(each["name"]).lower(): each for each in self.api.list_all("environments", removed_null=1)}
        wanted: dict[str, _OldStack] = {}
        for row in self.read(project, self.old.stacks_name, "stack"):
            stack = _OldStack(row, services.get(str(row.get("id")), []))
            instead = facts.infrastructure(row)
            if instead:
                self.report.add("stack", row, LEFT, f"a part of the old server: {instead}")
            elif self._is_importable(project, stack, here):
                wanted[stack.name] = stack
        needs = {
            name: {each.partition("/")[0] for each in stack.check.get("servicesElsewhere") or ()}
            for name, stack in wanted.items()
        }
        done = {str(each["name"]) for each in here.values()}
        for name in facts.in_order(list(wanted), needs):
            missing = sorted(needs[name] - done)
            if self._import_stack(wanted[name], missing):
                done.add(name)

    def _is_importable(self, project: Json, stack: _OldStack, here: Mapping[str, Json]) -> bool:
        """Read a stack's files and have them checked; a line of its own for one that is there, or cannot be made."""
        known = here.get(stack.name.lower())
        if known is not None:
            self._report_known(stack, known)
            return False
        unfinished = facts.unfinished_upgrades(stack.row, stack.services)
        if unfinished:
            why = f"{', '.join(unfinished)}: finish the upgrade there, or roll it back, and run this again"
            self._give_up(stack, why)
            return False
        if not stack.services:
            return True
        self.progress(f"Reading {self.report.environment}: {stack.name}")
        try:
            stack.docker, stack.rancher = self.old.export(project, stack.row)
            stack.check = self._check(stack)
            if undeclared := stack.check.get("undeclaredVolumes"):
                stack.docker = facts.with_existing_volumes(stack.docker, undeclared)
                stack.check = self._check(stack)
        except CliError as error:
            if error.code in FINAL:
                raise
            self._give_up(stack, str(error))
            return False
        missing = [name for name in stack.check.get("missingCertificates") or () if name]
        if missing:
            said = ", ".join(missing)
            self._give_up(stack, f"it needs the certificate {said}: add it under Certificates, and run this again")
            return False
        return True

    def _check(self, stack: _OldStack) -> Json:
        if self.api is not None:
            return self.api.post("composechecks", _files(stack))
        return self.portal.post("/v1/composechecks", _files(stack))

    def _give_up(self, stack: _OldStack, why: str) -> None:
        self.report.add("stack", stack.row, REFUSED, why)
        for each in stack.services:
            self.report.add("service", f"{stack.name}/{each.get('name')}", LEFT, "its stack is not")

    def _report_known(self, stack: _OldStack, known: Json) -> None:
        """A stack of this name is here: the same one from an earlier run, or somebody else's."""
        if known.get("externalId") != facts.external_id(stack.row):
            why = f"the stack {known['name']} here is another one of this name: rename or remove it, and run this again"
            self._give_up(stack, why)
            return
        self.report.add("stack", stack.row, THERE)
        if self.api is not None:
            self._finish(self.api, stack, known)

    def _import_stack(self, stack: _OldStack, missing: Sequence[str]) -> bool:
        """Make a stack with its services, stopped; whether it is there then, or would be."""
        made: Json | None = None
        if self.api is not None and not self.is_dry:
            self.progress(f"Creating {self.report.environment}: {stack.name}")
            body = {**_files(stack), "externalId": facts.external_id(stack.row), "startOnCreate": False}
            if stack.row.get("description"):
                body["description"] = stack.row["description"]
            try:
                made = self.waiter_of(self.api).until_settled(self.api.post("environments", body))
            except CliError as error:
                if error.code in FINAL:
                    raise
                self._give_up(stack, str(error))
                return False
        warnings = [str(each) for each in stack.check.get("warnings") or ()]
        warnings += [f"it links to the stack {name}, which is not here: link it by hand" for name in missing]
        template = facts.catalog_template(stack.row)
        if template:
            warnings.append(f"it was launched from {template}, and is a stack of its own files here")
        names = {str(each.get("name")) for each in stack.services}
        about = [each for each in warnings if each.partition(":")[0] not in names]
        self.report.add("stack", stack.row, DIFFERS if about else CARRIED, " ".join(about))
        if made is not None and self.api is not None:
            self._finish(self.api, stack, made, warnings)
        else:
            self._report_services(stack, {}, warnings)
        return True

    def _finish(self, api: PortalApi, stack: _OldStack, made: Json, warnings: Sequence[str] = ()) -> None:
        """Activate what has no containers, in which nothing could run twice, and report every service."""
        found = api.list_all("services", environmentId=made["id"], removed_null=1)
        here = {str(each["name"]).lower(): each for each in found}
        for service in stack.services:
            known = here.get(str(service.get("name")).lower())
            if known is None or self.is_dry or facts.has_containers(service) or not facts.is_wanted(service):
                continue
            if known["state"] == "inactive":
                here[str(known["name"]).lower()] = self.waiter_of(api).until_settled(api.act(known, "activate"))
        self._report_services(stack, here, warnings)

    def _report_services(self, stack: _OldStack, here: Mapping[str, Json], warnings: Sequence[str]) -> None:
        for service in stack.services:
            name = str(service.get("name"))
            own = [each.partition(": ")[2] for each in warnings if each.partition(":")[0] == name]
            state = DIFFERS if own else CARRIED
            known = here.get(name.lower())
            next_step, by_hand = _next_step(service, known)
            note = "; ".join(text.rstrip(".") for text in (*own, next_step) if text)
            self.report.add("service", f"{stack.name}/{name}", BY_HAND if by_hand else state, note)


def _files(stack: _OldStack) -> Json:
    body: Json = {"name": stack.name}
    if stack.docker:
        body |= {"dockerCompose": stack.docker, "rancherCompose": stack.rancher}
    return body


def _next_step(service: Json, known: Json | None) -> tuple[str, bool]:
    """What is to be done about a service after the import, and whether that is left to a person."""
    scale = service.get("scale")
    if facts.is_balancer(service):
        if known is not None and known["state"] == "active":
            return "it runs here", False
        return "it is made stopped: start it once the old one is stopped, which has its ports", True
    if not facts.has_containers(service):
        return "", False
    if not facts.is_wanted(service):
        return "it is stopped on the old server, and here", False
    if known is not None and known["state"] not in {"inactive", "registering"}:
        text = f"{known.get('scale')} of {scale} container{'' if scale == 1 else 's'} taken over"
        return text if scale else "", False
    return "it is made stopped, and takes its containers over as their hosts join", False
