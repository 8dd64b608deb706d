"""Bringing a stack to what its compose files say: created, upgraded, confirmed, rolled back, started.

Every step looks at what is there first, so the same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from corral_cli.compose_files import ComposeFiles
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.image_pull import ImagePuller
from corral_cli.lookup import find_stack, require_stack, services_of
from corral_cli.portal_api import Json, PortalApi
from corral_cli.waiting import Waiter

_DECIDED = {"upgraded", "canceled-upgrade", "canceled-rollback"}
_UNFINISHED = {"upgrading", *_DECIDED}
_REPLACED = {"upgrade", "remove"}
_CHANGES = {"create", "update", *_REPLACED}
_IMAGES = {"image", "imageUuid"}
_MAX_DIFFERENCES = 5


@dataclass(frozen=True)
class UpRequest:
    """What `up` is to do; `services` are all of the file when none is named.

    `force` replaces containers although nothing of them has changed; `pull` pulls images to all hosts before;
    `strategy` (`batchSize`, `intervalMillis`) comes before what the file says. With `replaces` an upgrade that has
    ended and is not confirmed is replaced by that to another file, as one that goes on always is. `explains` adds to
    rancher-compose's lines what of the files is not applied without `upgrade`.
    """

    stack: str
    files: ComposeFiles
    services: tuple[str, ...] = ()
    upgrade: bool = False
    confirm: bool = False
    start: bool = True
    remove_missing: bool = False
    note: str = ""
    force: bool = False
    pull: bool = False
    strategy: Mapping[str, int] = field(default_factory=dict)
    replaces: bool = False
    explains: bool = False


class StackUp:
    """One `up` of one stack."""

    def __init__(self, api: PortalApi, log: ComposeLog, waiter: Waiter) -> None:
        self._api = api
        self._log = log
        self._waiter = waiter

    def run(self, request: UpRequest) -> Json:
        """The stack as the files say. Raises `CliError`."""
        with _naming_files(request.files):
            return self._run(request)

    def _run(self, request: UpRequest) -> Json:
        stack = find_stack(self._api, request.stack)
        if stack is None:
            return self._create(request)
        if request.upgrade and self._is_replaced(stack, request):
            self._log.warn(f"The upgrade of {request.stack} was not finished: this one takes its place")
            return self._reload(self.run_on(stack, request))
        was_under_way = stack.get("transitioning") == "yes" and (
            stack["state"] in _UNFINISHED or not _may_upgrade(stack)
        )
        if was_under_way:  # an interrupted command, or somebody else's: nothing can be compared before it has settled
            stack = self._waiter.until_settled(stack)
        if stack["state"] in _DECIDED:
            if request.confirm:
                stack = self._finish(stack)
            elif request.upgrade and was_under_way:
                self._log.warn(f"An upgrade of {request.stack} was under way and has ended; confirm it or roll it back")
                return stack
        if request.upgrade and (stack["state"] in _UNFINISHED or not _may_upgrade(stack)):
            raise CliError(
                f"{request.stack} is {stack['state']}: wait for it, or end its last upgrade first, with "
                "--confirm-upgrade or --rollback.",
                ExitCode.REFUSED,
            )
        return self._reload(self.run_on(stack, request))

    def _is_replaced(self, stack: Json, request: UpRequest) -> bool:
        """Whether the files say something else than the upgrade that the stack is in."""
        if not _may_upgrade(stack) or stack["state"] not in _UNFINISHED:
            return False
        if stack["state"] in _DECIDED and (request.confirm or not request.replaces):
            return False
        body = self._body(stack, request)
        body.pop("force", None)  # the same command again goes on with what it began
        found = self._api.act(stack, "previewupgrade", body)
        return any(each["change"] in _CHANGES for each in found["services"])

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

    def preview(self, request: UpRequest) -> list[Json]:
        """What would become of each service of the files; a stack that is not there yet is made, empty."""
        stack = find_stack(self._api, request.stack)
        if stack is None:
            self._log.info(f"Creating stack {request.stack}")
            stack = self._waiter.until_settled(self._api.post("environments", {"name": request.stack}))
        with _naming_files(request.files):
            steps = self._preview(stack, request)
        self._describe(stack, request, steps)
        return steps

    def _create(self, request: UpRequest) -> Json:
        body = {"name": request.stack, "startOnCreate": request.start}
        if request.services or request.pull:
            self._log.info(f"Creating stack {request.stack}")
            stack = self._waiter.until_settled(self._api.post("environments", body))
            return self._reload(self.run_on(stack, request))
        stack = self._api.post("environments", {**body, **request.files.body()})
        for text in stack.get("warnings") or ():
            self._log.warn(str(text))
        steps = [{"name": each["name"], "change": "create"} for each in self._services_of(stack)]
        self._describe(stack, request, steps, is_new=True)
        self._log.info(f"Creating stack {request.stack}")
        self._say_created(steps)
        self._start(stack, steps, request)
        return self._waiter.until_settled(stack)

    def run_on(self, stack: Json, request: UpRequest) -> Json:
        """The same for a stack that was just made."""
        steps = self._preview(stack, request)
        self._describe(stack, request, steps)
        is_in_sync = request.upgrade or not any(each["change"] in _REPLACED for each in steps)
        done = steps if is_in_sync else [each for each in steps if each["change"] not in _REPLACED]
        _require_possible(done)
        if request.pull:
            self._pull(done)
        self._say_created(steps)
        if not request.start:
            return self._apply(stack, request, done, is_in_sync=is_in_sync)
        self._announce_start(steps)
        for step in steps:
            self._announce(step, is_in_sync=is_in_sync)
            if request.explains and step not in done:
                self._log.warn(_left_as_it_was(step))
        stack = self._apply(stack, request, done, is_in_sync=is_in_sync)
        self._await_start(stack, steps, {each["name"] for each in steps if each not in done})
        return stack

    def _preview(self, stack: Json, request: UpRequest) -> list[Json]:
        """What would become of each service that is meant."""
        look = partial(self._api.act, stack, "previewupgrade", self._body(stack, request))
        found = self._waiter.patiently(look) if _may_upgrade(stack) else None
        if found is None:
            self._log.debug(f"{stack['name']} is {stack['state']}: nothing is compared")
            return [{"name": each["name"], "change": "unchanged"} for each in services_of(self._api, stack)]
        for text in found.get("warnings") or ():
            self._log.warn(str(text))
        steps: list[Json] = [each for each in found["services"] if each["change"] != "keep"]
        return steps

    def _describe(self, stack: Json, request: UpRequest, steps: list[Json], *, is_new: bool = False) -> None:
        """What was read and found, for those who said --verbose: the values of variables are not among it."""
        files, report = request.files, self._log
        known = " ".join(f"{name}:***" for name in files.variables) if files.variables_name else ""
        report.debug(f"Environment Context from file {files.variables_name}: map[{known}]")
        for name in files.names:
            report.debug(f"Opening compose file: {name}")
        for step in steps:
            report.service(step["name"], "Adding", "DEBU")
        if files.rancher_name:
            report.debug(f"Opening rancher-compose file: {files.rancher_name}")
        report.debug(f"Looking for stack {request.stack}")
        if not is_new:
            report.debug(f"Found stack: {stack['name']}({stack['id']})")
        report.expect(len(steps))

    def _say_created(self, steps: list[Json]) -> None:
        """The lines of the first pass, in which what is not there is created."""
        for step in steps:
            self._log.debug(f"Launching action for {step['name']}")
        self._log.project("Creating project", "DEBU")
        for step in steps:
            name = step["name"]
            self._log.debug(f"Finding service {name}")
            self._log.service(name, "Creating", "DEBU")
            if step["change"] == "create":
                self._log.info(f"Creating service {name}")
            else:
                self._log.debug(f"Found service {name}")
            self._log.service(name, "Created", "DEBU")
        self._log.project("Project created", "DEBU")

    def _pull(self, steps: list[Json]) -> None:
        changed = [each for each in steps if each["change"] in {"create", "upgrade"}]
        ImagePuller(self._api, self._log, self._waiter).pull_services(changed)

    def _apply(self, stack: Json, request: UpRequest, steps: list[Json], *, is_in_sync: bool) -> Json:
        """Bring the stack to the files; where it is not in sync, only what changes without replacing containers."""
        changed = [each["name"] for each in steps if each["change"] in _CHANGES]
        if not changed:
            return stack
        body = self._body(stack, request)
        if not is_in_sync:
            body = {**body, "services": changed, "removeMissing": False, "force": False}
        stack = self._waiter.until_settled(self._api.act(stack, "upgrade", body))
        # Where no container is replaced there is nothing to choose between.
        is_replaced = any(each["change"] in _REPLACED for each in steps)
        if stack["state"] in _DECIDED and (request.confirm or not is_replaced):
            stack = self._finish(stack)
        return stack

    def _announce(self, step: Json, *, is_in_sync: bool) -> None:
        name, change = step["name"], step["change"]
        if change in _REPLACED and not is_in_sync:
            self._log.warn(f"Service {name} is out of sync with the local configuration file; use --upgrade")
        elif change == "remove":
            self._log.info(f"Removing {name}")
        elif change in {"upgrade", "update"}:
            self._log.info(f"Updating {name}")
            if change == "upgrade":
                self._log.info(f"Upgrading {name}")
            for sidekick in (step.get("replaced") or {}).get("following") or ():
                self._log.info(f"Recreating {sidekick} of {name} too: it uses the network or volumes of one that is")

    def _body(self, stack: Json, request: UpRequest) -> Json:
        body = request.files.body(stack.get("environment") or {})
        if request.services:
            body["services"] = list(request.services)
        if request.remove_missing:
            body["removeMissing"] = True
        if request.force:
            body["force"] = True
        body.update(request.strategy)
        return {**body, "note": request.note} if request.note else body

    def _start(self, stack: Json, steps: list[Json], request: UpRequest) -> None:
        if request.start:
            self._announce_start(steps)
            self._await_start(stack, steps)

    def _announce_start(self, steps: list[Json]) -> None:
        self._log.project("Starting project")
        staying = [each["name"] for each in steps if each["change"] != "remove"]
        for name in staying:
            self._log.debug(f"Launching action for {name}")
        for name in staying:
            self._log.debug(f"Finding service {name}")
            self._log.service(name, "Starting")
            self._log.debug(f"Found service {name}")

    def _await_start(self, stack: Json, steps: list[Json], out_of_sync: Collection[str] = ()) -> None:
        """Start what does not run, and wait until all of it does; `out_of_sync` are not as the files say."""
        names = {each["name"] for each in steps if each["change"] != "remove"}
        services = [each for each in self._services_of(stack) if each["name"] in names]
        for service in services:
            if "activate" in (service.get("actions") or {}) and service["state"] == "inactive":
                self._api.act(service, "activate")
        for service in services:
            self._log.debug(f"Finding service {service['name']}")
            with _blaming_what_was_before(is_out_of_sync=service["name"] in out_of_sync):
                self._waiter.until_settled(self._reload(service))
            self._log.service(service["name"], "Started")
        self._log.project("Project started")

    def _reload(self, resource: Json) -> Json:
        """The resource as it is now; once something was requested, a portal that is away is waited for."""
        return self._waiter.patiently(partial(self._api.reload, resource))

    def _services_of(self, stack: Json) -> list[Json]:
        return self._waiter.patiently(partial(services_of, self._api, stack))

    def _finish(self, stack: Json) -> Json:
        self._log.debug(f"Finishing the upgrade of {stack['name']}")
        return self._waiter.until_settled(self._api.act(stack, "finishupgrade"))


@contextmanager
def _naming_files(files: ComposeFiles) -> Iterator[None]:
    """Say of which file a refusal is, not of which field of the request."""
    try:
        yield
    except CliError as error:
        raise CliError(files.locate(str(error)), error.code) from None


@contextmanager
def _blaming_what_was_before(*, is_out_of_sync: bool) -> Iterator[None]:
    """Say of a failure that it is not one of the files' new content, which was not applied."""
    try:
        yield
    except CliError as error:
        if not is_out_of_sync:
            raise
        remedy = "This is what ran before: the files' changes of it were not applied; use --upgrade to apply them."
        raise CliError(f"{error} {remedy}", error.code) from None


def _left_as_it_was(step: Json) -> str:
    """What of the files is not applied: the names of what differs, and the images themselves.

    Other values are left out: they may be secret, and logs of builds are read by many.
    """
    if step["change"] == "remove":
        return f"{step['name']} stays, though the files do not have it any more; `up --upgrade` removes it"
    found = [_difference(each) for each in step.get("differences") or ()]
    more = len(found) - _MAX_DIFFERENCES
    listed = ", ".join(found[:_MAX_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")
    what = f" ({listed})" if listed else ""
    how = "`up --upgrade` applies them"
    return f"{step['name']} stays as it was: the changes of the files{what} are not applied; {how}"


def _difference(each: Json) -> str:
    where = ".".join(str(part) for part in (each.get("sidekick"), each["field"], each.get("key")) if part)
    if each["field"] not in _IMAGES:
        return where
    before, after = (str(each.get(name)).replace("docker:", "", 1) for name in ("before", "after"))
    return f"{where}: {before} -> {after}"


def _require_possible(steps: list[Json]) -> None:
    """Raises `CliError` for what the portal would refuse, before anything is said to begin."""
    problems = [str(each["problem"]) for each in steps if each.get("problem") and each["change"] in _CHANGES]
    if problems:
        raise CliError(" ".join(problems), ExitCode.REFUSED)


def _may_upgrade(stack: Json) -> bool:
    return "previewupgrade" in (stack.get("actions") or {})
