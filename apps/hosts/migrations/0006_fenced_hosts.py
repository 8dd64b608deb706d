"""One host per engine: of hosts that share one, the oldest keeps it and the others are fenced."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

_TAKEN = (
    "This engine was added more than once; the host that was added first keeps it. Remove this host, or remove the "
    "other one and wait a minute. If the machine is a copy of another one (a cloned disk), delete "
    "/var/lib/docker/engine-id (before Docker 23 /etc/docker/key.json) on it and restart its engine."
)


def fence_later_hosts(apps: Any, _schema_editor: Any) -> None:
    """Take the engine away from every host but the first; the loop tries to claim it again, and explains."""
    hosts = apps.get_model("hosts", "Host")._base_manager  # noqa: SLF001 - the one manager old and new models share
    rows = hosts.filter(removed=None).exclude(engine_id="").order_by("pk")
    owned: set[str] = set()
    for key, engine_id, agent in list(rows.values_list("pk", "engine_id", "agent")):
        if engine_id not in owned:
            owned.add(engine_id)
            continue
        hosts.filter(pk=key).update(
            engine_id="", fenced=_TAKEN, state="error", message=_TAKEN, agent={**agent, "engineId": engine_id}
        )


class Migration(migrations.Migration):
    dependencies = [("hosts", "0005_plain_names")]

    operations = [
        migrations.AddField(model_name="host", name="fenced", field=models.TextField(blank=True)),
        migrations.RunPython(fence_later_hosts, migrations.RunPython.noop),
    ]
