"""Bringing a stack to what its compose files say: created, upgraded, confirmed, rolled back, started.

Every step looks at what is there first, so the same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corral_cli.compose_files import ComposeFiles
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find_stack, require_stack, services_of
from corral_cli.portal_api import Json, PortalApi
from corral_cli.waiting import Waiter

_DECIDED = {"upgraded", "canceled-upgrade", "canceled-rollback"}


@dataclass(frozen=True)
class UpRequest:
    """What `up` is to do; `services` are all of the file when none is named."""

    stack: str
    files: ComposeFiles
    services: tuple[str, ...] = ()
    upgrade: bool = False
    confirm: bool = False
    start: bool = True
    remove_missing: bool = False
    note: str = ""


class StackUp:
    """One `up` of one stack."""

    def __init__(self, api: PortalApi, log: ComposeLog, waiter: Waiter) -> None:
        self._api = api
        self._log = log
        self._waiter = waiter

    def run(self, request: UpRequest) -> Json:
        """The stack as the files say. Raises `CliError`."""
        stack = find_stack(self._api, request.stack)
        if stack is None:
            return self._create(request)
        self._log.debug(f"Found stack: {stack['name']}({stack['id']})")
        if request.confirm and stack["state"] in _DECIDED:
            stack = self._finish(stack)
        if request.upgrade and not _may_upgrade(stack):
            raise CliError(
                f"{request.stack} is {stack['state']}: wait for it, or end its last upgrade first, with "
                "--confirm-upgrade or --rollback.",
                ExitCode.REFUSED,
            )
        return self._api.reload(self.run_on(stack, request))

    def roll_back(self, name: str, services: Sequence[str] = ()) -> None:
        """Take back the upgrade of the stack, or those of its services. Raises `CliError` when there is none."""
        stack = require_stack(self._api, name)
        if "rollback" in (stack.get("actions") or {}) and not services:
            self._log.info(f"Rolling back {stack['name']}")
            self._waiter.until_settled(self._api.act(stack, "rollback"))
            return
        found = [each for each in services_of(self._api, stack) if not services or each["name"] in services]
        upgraded = [each for each in found if "rollback" in (each.get("actions") or {})]
        if not upgraded:
            raise CliError(
                f"{name} has no upgrade that could be rolled back: it is {stack['state']}.", ExitCode.REFUSED
            )
        for service in upgraded:
            self._log.service(service["name"], "Rolling back")
            self._waiter.until_settled(self._api.act(service, "rollback"))

    def confirm(self, name: str, services: Sequence[str] = ()) -> None:
        """Finish the upgrade of the stack, or those of its services."""
        stack = require_stack(self._api, name)
        if stack["state"] in _DECIDED and not services:
            self._finish(stack)
            return
        for service in services_of(self._api, stack):
            if service["state"] in _DECIDED and (not services or service["name"] in services):
                self._log.service(service["name"], "Confirming upgrade", "DEBU")
                self._waiter.until_settled(self._api.act(service, "finishupgrade"))

    def _create(self, request: UpRequest) -> Json:
        self._log.info(f"Creating stack {request.stack}")
        body = {"name": request.stack, "startOnCreate": request.start}
        if request.services:
            stack = self._waiter.until_settled(self._api.post("environments", body))
            return self.run_on(stack, request)
        stack = self._api.post("environments", {**body, **request.files.body()})
        services = services_of(self._api, stack)
        self._log.expect(len(services))
        for service in services:
            self._log.info(f"Creating service {service['name']}")
        self._log.project("Starting project")
        self._start(stack, [each["name"] for each in services], request)
        self._log.project("Project started")
        return self._waiter.until_settled(stack)

    def run_on(self, stack: Json, request: UpRequest) -> Json:
        """The same for a stack that was just made."""
        steps = self._preview(stack, request)
        self._log.expect(len(steps))
        self._log.project("Starting project")
        stack = self._apply(stack, request, steps)
        self._start(stack, [step["name"] for step in steps], request)
        self._log.project("Project started")
        return stack

    def _preview(self, stack: Json, request: UpRequest) -> list[Json]:
        """What would become of each service that is meant."""
        found = self._api.act(stack, "previewupgrade", self._body(stack, request)) if _may_upgrade(stack) else None
        if found is None:
            self._log.debug(f"{stack['name']} is {stack['state']}: nothing is compared")
            return [{"name": each["name"], "change": "unchanged"} for each in services_of(self._api, stack)]
        for text in found.get("warnings") or ():
            self._log.warn(str(text))
        steps: list[Json] = [each for each in found["services"] if each["change"] != "keep"]
        return steps

    def _apply(self, stack: Json, request: UpRequest, steps: list[Json]) -> Json:
        replaced = [each["name"] for each in steps if each["change"] in {"upgrade", "remove"}]
        in_place = [each["name"] for each in steps if each["change"] in {"create", "update"}]
        if replaced and not request.upgrade:
            for name in replaced:
                self._log.warn(f"Service {name} is out of sync with the local configuration file; use --upgrade")
            return stack
        if not replaced and not in_place:
            return stack
        problems = [str(each["problem"]) for each in steps if each.get("problem")]
        if problems:
            raise CliError(" ".join(problems), ExitCode.REFUSED)
        for step in steps:
            self._announce(step)
        stack = self._waiter.until_settled(self._api.act(stack, "upgrade", self._body(stack, request)))
        # Where no container is replaced there is nothing to choose between.
        if stack["state"] in _DECIDED and (request.confirm or not replaced):
            stack = self._finish(stack)
        return stack

    def _announce(self, step: Json) -> None:
        name = step["name"]
        words = {"create": f"Creating service {name}", "update": f"Updating {name}", "remove": f"Removing {name}"}
        if step["change"] == "upgrade":
            self._log.info(f"Updating {name}")
            self._log.info(f"Upgrading {name}")
        elif step["change"] in words:
            self._log.info(words[step["change"]])

    def _body(self, stack: Json, request: UpRequest) -> Json:
        body = request.files.body(stack.get("environment") or {})
        if request.services:
            body["services"] = list(request.services)
        if request.remove_missing:
            body["removeMissing"] = True
        return {**body, "note": request.note} if request.note else body

    def _start(self, stack: Json, names: list[str], request: UpRequest) -> None:
        if not request.start:
            return
        services = [each for each in services_of(self._api, stack) if each["name"] in names]
        for service in services:
            self._log.service(service["name"], "Starting")
        for service in services:
            if "activate" in (service.get("actions") or {}) and service["state"] == "inactive":
                self._api.act(service, "activate")
        for service in services:
            self._waiter.until_settled(self._api.reload(service))
            self._log.service(service["name"], "Started")

    def _finish(self, stack: Json) -> Json:
        self._log.debug(f"Finishing the upgrade of {stack['name']}")
        return self._waiter.until_settled(self._api.act(stack, "finishupgrade"))


def _may_upgrade(stack: Json) -> bool:
    return "previewupgrade" in (stack.get("actions") or {})
