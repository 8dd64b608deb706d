"""Rolling restarts, and a first revision for every service: who looks at its history finds where it began."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def keep_first_revisions(apps: Any, _schema_editor: Any) -> None:
    """Services that were never upgraded had no revision row."""
    service, revision = apps.get_model("stacks", "Service"), apps.get_model("stacks", "ServiceRevision")
    manager = service._base_manager  # noqa: SLF001 - removed ones as well: their pages are still there
    columns = ("spec", "image", "secondary", "primary_version", "created")
    batch = []
    for row in manager.filter(revisions=None).only("revision", *columns).iterator(chunk_size=100):
        batch.append(revision(service_id=row.pk, number=row.revision, **{name: getattr(row, name) for name in columns}))
        if len(batch) == 100:
            revision.objects.bulk_create(batch)
            batch = []
    revision.objects.bulk_create(batch)


class Migration(migrations.Migration):
    dependencies = [("stacks", "0008_sidekicks")]

    operations = [
        migrations.AddField("service", "restart", models.JSONField(default=dict)),
        migrations.AddField("servicerevision", "via", models.CharField(blank=True, max_length=16)),
        migrations.AddField("servicerevision", "note", models.CharField(blank=True, max_length=500)),
        migrations.AddField("servicerevision", "image_id", models.CharField(blank=True, max_length=100)),
        migrations.RunPython(keep_first_revisions, migrations.RunPython.noop),
    ]
