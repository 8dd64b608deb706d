"""The names of sidekicks beside their configurations, so that looking for a name decrypts nothing."""

from typing import Any

from django.db import migrations, models

BATCH = 500


def fill_names(apps: Any, schema_editor: Any) -> None:
    """Take the names out of what the services of today have."""
    del schema_editor
    services = apps.get_model("stacks", "Service")._base_manager  # noqa: SLF001 - removed ones as well
    changed = []
    for row in services.all().only("pk", "secondary").iterator(chunk_size=BATCH):
        row.sidekick_names = [each["name"] for each in row.secondary or ()]
        if row.sidekick_names:
            changed.append(row)
    services.bulk_update(changed, ["sidekick_names"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("stacks", "0016_restore")]

    operations = [
        migrations.AddField(
            model_name="service",
            name="sidekick_names",
            field=models.JSONField(default=list),
        ),
        migrations.RunPython(fill_names, migrations.RunPython.noop),
    ]
