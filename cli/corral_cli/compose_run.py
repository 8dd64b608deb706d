"""What one run of rancher-compose has at hand: its project, its files, and the services that are named."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from corral_cli.compose_files import read_files, stack_name_of
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find_services, require_stack, services_of
from corral_cli.portal_api import Json
from corral_cli.session import CliSession
from corral_cli.stack_up import StackUp, UpRequest


class ComposeRun:
    """One run of rancher-compose on one project."""

    def __init__(self, session: CliSession, common: Namespace, options: Namespace) -> None:
        self.session = session
        self.common = common
        self.options = options
        self.name = common.project_name or stack_name_of(session.terminal.folder, common.file)
        self.report = ComposeLog(session.terminal, self.name)

    def request(self, *, start: bool = True, services: Sequence[str] = ()) -> UpRequest:
        """What the files and flags say. Raises `CliError`."""
        terminal, common, said = self.session.terminal, self.common, vars(self.options)
        files = read_files(terminal.folder, common.file, common.rancher_file, common.env_file, terminal.environ)
        is_up = said.get("upgrade") is not None
        batches = {"batchSize": said.get("batch_size"), "intervalMillis": said.get("interval")}
        return UpRequest(
            stack=self.name,
            files=files,
            services=tuple(services or said.get("services", ())),
            upgrade=bool(said.get("upgrade") or said.get("force_upgrade")),
            confirm=bool(said.get("confirm_upgrade")),
            start=start,
            force=bool(said.get("force_upgrade")),
            pull=is_up and bool(said.get("pull")),
            strategy={name: value for name, value in batches.items() if is_up and value is not None},
        )

    def meant(self) -> list[Json]:
        """The services of the project that are named, or all. Raises `CliError`."""
        found = services_of(self.session.api, require_stack(self.session.api, self.name))
        names = list(self.options.services)
        unknown = sorted(set(names) - {each["name"] for each in found})
        if unknown:
            raise CliError(f"Failed to find {', '.join(unknown)} in {self.name}.", ExitCode.NOT_FOUND)
        wanted = [each for each in found if not names or each["name"] in names]
        self.report.expect(len(wanted))
        return wanted

    def require_service(self, name: str) -> Json:
        """One service of the project. Raises `CliError`."""
        found = find_services(self.session.api, f"{self.name}/{name}")
        if not found:
            raise CliError(f"Failed to find service {name}", ExitCode.NOT_FOUND)
        return found[0]

    def up(self) -> StackUp:
        """What brings the project up."""
        return StackUp(self.session.api, self.report, self.session.waiter())
