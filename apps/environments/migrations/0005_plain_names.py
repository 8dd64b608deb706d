"""Columns under the field's standard names; nothing but names changes."""

from django.db import migrations, models


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


class Migration(migrations.Migration):
    dependencies = [("environments", "0004_tickets_of_sessions")]

    operations = [
        migrations.RemoveField(model_name="environment", name="shown"),
        migrations.RenameField(model_name="environment", old_name="doing", new_name="transition_state"),
        migrations.RenameField(model_name="environment", old_name="looks", new_name="attempts"),
        migrations.RenameField(model_name="environment", old_name="next_look", new_name="next_attempt_at"),
        migrations.RenameField(model_name="environment", old_name="woken", new_name="requeue_requested"),
        migrations.RenameField(model_name="socketticket", old_name="is_open", new_name="via_open_mode"),
        migrations.AddField(model_name="environment", name="display_state", field=_display_state()),
    ]
