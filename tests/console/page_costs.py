"""What a page costs in queries, and many rows to ask it of."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack


def queries(client: Any, path: str, **headers: str) -> int:
    """How many queries a page takes once caches are warm."""
    client.get(path, headers=headers)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert client.get(path, headers=headers).status_code == 200
    return len(caught)


def fill(lab: Environment, host: Host, stacks: int, each: int) -> None:
    """Create stacks of two services with `each` containers, as the loop would have left them."""
    spec = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"}).to_json()
    seen = {"ports": [{"private": 80, "public": 8080, "protocol": "tcp", "address": ""}]}
    in_sync_fields: dict[str, Any] = {"environment": lab, "observed_generation": 1}
    for number in range(stacks):
        stack = Stack.all_objects.create(name=f"s{number}", desired="active", state="active", **in_sync_fields)
        for word in ("web", "db"):
            service = Service.all_objects.create(
                name=word, stack=stack, spec=spec, desired="active", state="active", scale=each, **in_sync_fields
            )
            containers = [
                Container(
                    name=f"s{number}_{word}_{n}", host=host, spec=spec, desired="running", state="running",
                    status=seen, **in_sync_fields,
                )
                for n in range(each)
            ]  # fmt: skip
            Container.all_objects.bulk_create(containers)
            Slot.objects.bulk_create(
                [Slot(service=service, number=n, container=container) for n, container in enumerate(containers)]
            )
