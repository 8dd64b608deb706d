"""What containers reserve, in columns that can be summed up; read from the configurations that are there."""

from typing import Any

from django.db import migrations, models
from django.db.models import QuerySet

BATCH = 500


def fill(apps: Any, _editor: Any) -> None:
    """Only memory could be reserved until now."""
    rows = QuerySet(apps.get_model("containers", "Container"))
    changed = []
    for row in rows.filter(removed=None).only("pk", "spec").iterator(chunk_size=BATCH):
        memory = (row.spec or {}).get("memoryReservation")
        if isinstance(memory, int) and memory > 0:
            row.reserved_memory = memory
            changed.append(row)
    rows.bulk_update(changed, ["reserved_memory"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("containers", "0006_container_events")]

    operations = [
        migrations.AddField("container", "reserved_memory", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("container", "reserved_milli_cpu", models.PositiveIntegerField(default=0)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
