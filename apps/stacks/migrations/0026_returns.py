"""Which revision a revision brought back, and services that were rolled back from a handover name no other one."""

import re
from typing import Any

from django.db import migrations, models

BATCH = 500
# What rollbacks wrote; the column is theirs from now on.
_ROLLED_BACK = re.compile(r"Rolled back to revision ([0-9]{1,9})")


def fill_returns(apps: Any, schema_editor: Any) -> None:
    """Take from their notes which revisions the rollbacks of before brought back."""
    del schema_editor
    revisions = apps.get_model("stacks", "ServiceRevision").objects
    changed = []
    for row in (
        revisions.filter(note__startswith="Rolled back to revision ").only("pk", "number", "note").iterator(BATCH)
    ):
        found = _ROLLED_BACK.fullmatch(row.note)
        if found is not None and 0 < int(found[1]) < row.number:
            row.returns_to = int(found[1])
            changed.append(row)
    revisions.bulk_update(changed, ["returns_to"], batch_size=BATCH)


def forget_handovers(apps: Any, schema_editor: Any) -> None:
    """Clear what services say of a handover that was rolled back to its end, as the loop does from now on."""
    del schema_editor
    services = apps.get_model("stacks", "Service")._base_manager  # noqa: SLF001 - removed ones as well
    changed = []
    for row in services.filter(upgrade_target__isnull=False).only("pk", "upgrade", "status"):
        over = f"{row.upgrade.get('id')} rolling-back"  # how the loop noted its end
        if row.upgrade.get("phase") == "rolling-back" and (row.status or {}).get("handed_over") == over:
            row.upgrade, row.upgrade_target_id = {}, None
            changed.append(row)
    services.bulk_update(changed, ["upgrade", "upgrade_target"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("stacks", "0025_deploy_webhooks")]

    operations = [
        migrations.AddField(
            model_name="servicerevision",
            name="returns_to",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.RunPython(fill_returns, migrations.RunPython.noop),
        migrations.RunPython(forget_handovers, migrations.RunPython.noop),
    ]
