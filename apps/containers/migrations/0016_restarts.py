"""Counts the restarts of containers that nobody asked for; until now all starts but the first counted as such."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F


def count_known(apps: Any, _schema_editor: Any) -> None:
    """What is known of earlier ones: all starts but the first, less the restarts that were requested."""
    containers = apps.get_model("containers", "Container")._base_manager  # noqa: SLF001 - removed ones as well
    rows = containers.filter(start_count__gt=F("restart_mark") + 1)
    rows.update(restarts=F("start_count") - 1 - F("restart_mark"))


class Migration(migrations.Migration):
    dependencies = [
        ("containers", "0015_pull_platforms"),
    ]

    operations = [
        migrations.AddField(
            model_name="container",
            name="restarts",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.RunPython(count_known, migrations.RunPython.noop, elidable=True),
    ]
