"""Choosing members became a permission of its own: give it to the groups of those who could do it before."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def grant(apps: Any, _schema_editor: Any) -> None:
    groups = list(apps.get_model("environments", "RoleGroup").objects.filter(role="owner"))
    if not groups:
        return
    kinds = apps.get_model("contenttypes", "ContentType")
    kind = kinds.objects.get(app_label="environments", model="environment")
    permission, _new = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="members", defaults={"name": "choose the environment's members"}
    )
    grants = apps.get_model("environments", "EnvironmentGroupPermission")
    grants.objects.bulk_create(
        grants(group_id=each.group_id, content_object_id=each.environment_id, permission=permission) for each in groups
    )


class Migration(migrations.Migration):
    dependencies = (
        ("environments", "0002_roles_and_sockets"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    )
    operations = (migrations.RunPython(grant, migrations.RunPython.noop),)
