"""Pulling images to the hosts before they are needed there, in the words of rancher-compose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.terminal import printable
from corral_cli.waiting import Waiter

_DONE, _PULLING = "Done", "Pulling"


class ImagePuller:
    """Has images pulled to all hosts that may need them, one after the other, and says how far each host is."""

    def __init__(self, api: PortalApi, log: ComposeLog, waiter: Waiter, *, only_present: bool = False) -> None:
        self._api = api
        self._log = log
        self._waiter = waiter
        self._mode = "cached" if only_present else "all"

    def pull_services(self, steps: Iterable[Json]) -> None:
        """Pull the images of services as the preview of an upgrade lists them. Raises `CliError`."""
        for step in steps:
            if not step.get("images"):
                continue
            self._log.service(step["name"], "Pulling", "DEBU")
            self.pull(step["images"], step.get("labels") or {})
            self._log.service(step["name"], "Pulled", "DEBU")

    def pull(self, images: Sequence[str], labels: Mapping[str, str]) -> None:
        """Pull images; `labels` are those of a service, which say on which hosts it may be. Raises `CliError`."""
        for image in images:
            body: Json = {"image": image, "labels": dict(labels), "mode": self._mode}
            shown: dict[str, str] = {}
            task = self._waiter.until(self._api.post("pulltasks", body), partial(self._look, shown))
            failed = [host for host, status in (task.get("status") or {}).items() if status != _DONE]
            if failed:
                raise CliError(
                    f"Pull failed on one of the hosts: {image} is not on {printable(', '.join(sorted(failed)))}.",
                    ExitCode.FAILED,
                )
            for line in str(task.get("transitioningMessage") or "").splitlines():  # of mirrors
                self._log.info(printable(line))
            self._log.info(f"Finished pulling {image}")

    def _look(self, shown: dict[str, str], task: Json) -> bool:
        """Say what has changed on each host; whether the task has come to its end."""
        for host, status in sorted((task.get("status") or {}).items()):
            if host not in shown:
                self._log.info(f"Checking for {task['image']} on {host}...")
                shown[host] = ""
            if status == _PULLING or status == shown[host]:
                continue
            shown[host] = status
            if status == _DONE:
                self._log.info(f"Finished {task['image']} on {host}")
            else:
                self._log.info(f"Checking for {task['image']} on {host}: {status}")
        return task.get("transitioning") != "yes"
