"""Columns under the field's standard names; nothing but names changes."""

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.db import migrations, models

from apps.accounts.login.store import SessionStore


def _display_state() -> models.GeneratedField:
    """The column that everybody reads; generated columns cannot be renamed, so the old one goes and this one comes."""
    return models.GeneratedField(
        db_persist=True,
        expression=models.Case(
            models.When(
                models.Q(("transition_state", ""), _negated=True)
                & models.Q(("generation__gt", models.F("observed_generation"))),
                then=models.F("transition_state"),
            ),
            default=models.F("state"),
        ),
        output_field=models.CharField(max_length=32),
    )


_PATHS = {
    "apps.accounts.backends.LocalBackend": "apps.accounts.providers.LocalBackend",
    "apps.accounts.backends.DirectoryBackend": "apps.accounts.providers.DirectoryBackend",
}


def _follow_backends(apps: Any, _schema_editor: Any) -> None:
    """Sessions name the class that let their account in: under its new path they go on."""
    store = SessionStore()
    for row in apps.get_model("accounts", "Session").objects.exclude(account=None).iterator():
        data = store.decode(row.data)
        path = _PATHS.get(data.get(BACKEND_SESSION_KEY, ""))
        if path:
            row.data = store.encode({**data, BACKEND_SESSION_KEY: path})
            row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_second_factor")]

    operations = [
        migrations.RunPython(_follow_backends, migrations.RunPython.noop),
        migrations.RemoveField(model_name="apikey", name="shown"),
        migrations.RemoveField(model_name="user", name="shown"),
        migrations.RenameField(model_name="apikey", old_name="doing", new_name="transition_state"),
        migrations.RenameField(model_name="apikey", old_name="looks", new_name="attempts"),
        migrations.RenameField(model_name="apikey", old_name="next_look", new_name="next_attempt_at"),
        migrations.RenameField(model_name="apikey", old_name="woken", new_name="requeue_requested"),
        migrations.RenameField(model_name="user", old_name="doing", new_name="transition_state"),
        migrations.RenameField(model_name="user", old_name="looks", new_name="attempts"),
        migrations.RenameField(model_name="user", old_name="next_look", new_name="next_attempt_at"),
        migrations.RenameField(model_name="user", old_name="woken", new_name="requeue_requested"),
        migrations.RenameField(model_name="authprovider", old_name="former", new_name="previous_config"),
        migrations.RenameField(model_name="authprovider", old_name="is_change", new_name="is_reconfigured"),
        migrations.RenameField(model_name="authprovider", old_name="trouble", new_name="last_error"),
        migrations.RenameField(model_name="authprovider", old_name="trouble_at", new_name="last_error_at"),
        migrations.RenameField(model_name="identity", old_name="asked_at", new_name="refreshed_at"),
        migrations.RenameField(model_name="identity", old_name="gone", new_name="rejection_reason"),
        migrations.AddField(model_name="apikey", name="display_state", field=_display_state()),
        migrations.AddField(model_name="user", name="display_state", field=_display_state()),
    ]
