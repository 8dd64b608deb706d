"""The document `preflight`: has the agents of an environment check whether their hosts reach each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from apps.core.fixed_query import FixedQuery
from apps.hosts.documents.sources import DocumentSource
from apps.hosts.models import Host
from apps.network.check_services import note_uncheckable, take_check_report
from apps.network.check_throughput import task_of
from apps.network.document import NetworkDocumentSource, host_revisions
from apps.network.models import HostNetwork, NetworkCheck

_NOTHING: dict[str, Any] = {"check": 0}


class CheckDocumentSource(DocumentSource):
    """The check that a host is to take part in now, if any."""

    name = "preflight"

    def __init__(self) -> None:
        self._network = NetworkDocumentSource()

    def versions(self) -> Mapping[int, str]:
        """The number of the run and the revision of each host's network, in two queries."""
        running = dict(_RUNNING.rows())
        return {
            host: f"{running[environment]} {version}" if environment in running else "0"
            for host, (environment, version) in host_revisions().items()
        }

    def build(self, host_id: int) -> dict[str, Any]:
        """The network as the host has it, without containers, the number of the run and the key of its messages."""
        row = _running_check(host_id)
        network = self._network.build(host_id) if row is not None else {}
        if row is None or not network:
            return dict(_NOTHING)
        key = salted_hmac("corral.network.check", f"{row.uuid} {row.generation}", algorithm="sha256").hexdigest()
        task = task_of(str(Host.all_objects.only("uuid").get(pk=host_id).uuid), row.measured)
        throughput = {"throughput": task} if task is not None else {}
        check = {"check": row.generation, "key": key, **throughput}
        return {**network, "containers": [], "policy": {"mode": "all"}, **check}

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        """Keep what the host reports of a check; most of the time there is none, and nothing to look up."""
        if not status.get("check"):
            return
        host = Host.all_objects.filter(pk=host_id, removed=None).first()
        if host is not None:
            take_check_report(host, status)

    def on_unsupported(self, host_id: int, reason: str) -> None:
        """It is left out, and the page says why."""
        host = Host.all_objects.filter(pk=host_id, removed=None).first()
        if host is not None:
            note_uncheckable(host, reason)


_RUNNING = FixedQuery(
    lambda _keys: NetworkCheck.all_objects.filter(display_state__in=("checking", "requested")).values_list(
        "environment", "generation"
    )
)


def _running_check(host_id: int) -> NetworkCheck | None:
    """The check that the hosts of the host's environment make now, if any: looked for before anything is built."""
    environment = HostNetwork.objects.filter(pk=host_id).values("environment")
    row: NetworkCheck | None = NetworkCheck.all_objects.filter(environment__in=environment).first()
    return row if row is not None and row.is_running else None
