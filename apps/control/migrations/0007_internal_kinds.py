"""Kinds under their own names: `project` becomes `environment`, and what was called `environment` becomes `stack`.

Audit entries stay sealed as they were: `format` says that the old words count for their fingerprints.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat, Substr

NEW_KINDS = {"project": "environment", "environment": "stack"}
OLD_KINDS = {new: old for old, new in NEW_KINDS.items()}


def _rewrite(rows: Any, kinds: dict[str, str], kind_column: str, *name_columns: str) -> None:
    # One statement for both words: in two, the second would take what the first has just renamed.
    named = Q(**{f"{kind_column}__in": list(kinds)})
    columns: dict[str, Any] = {
        kind_column: Case(
            *(When(**{kind_column: old}, then=Value(new)) for old, new in kinds.items()), default=F(kind_column)
        )
    }
    for name in name_columns:
        prefixes = {f"{old}.": new for old, new in kinds.items()}
        for prefix in prefixes:
            named |= Q(**{f"{name}__startswith": prefix})
        columns[name] = Case(
            *(
                When(**{f"{name}__startswith": prefix}, then=Concat(Value(new), Substr(name, len(prefix))))
                for prefix, new in prefixes.items()
            ),
            default=F(name),
        )
    rows.filter(named).update(**columns)


def _rename(apps: Any, kinds: dict[str, str]) -> None:
    _rewrite(apps.get_model("control", "Operation").all_objects, kinds, "kind", "name")
    _rewrite(apps.get_model("control", "AuditEntry").all_objects, kinds, "kind", "event")
    _rewrite(apps.get_model("environments", "SocketTicket").objects, kinds, "kind")


def rename(apps: Any, _editor: Any) -> None:
    """Rewrite every stored kind."""
    _rename(apps, NEW_KINDS)


def rename_back(apps: Any, _editor: Any) -> None:
    """Write v1's words again; entries of format 2 do not verify then."""
    _rename(apps, OLD_KINDS)


class Migration(migrations.Migration):
    dependencies = [("control", "0006_plain_names"), ("environments", "0005_plain_names")]

    operations = [
        # First 1, for the entries that are there; what is written from now on is of format 2.
        migrations.AddField(
            model_name="auditentry",
            name="format",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="format",
            field=models.PositiveSmallIntegerField(default=2),
        ),
        # `environment.` is longer than `project.`, and old entries may fill the column to its end.
        migrations.AlterField(
            model_name="auditentry",
            name="event",
            field=models.CharField(max_length=128),
        ),
        migrations.RunPython(rename, rename_back),
    ]
