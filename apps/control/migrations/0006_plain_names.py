"""Columns under the field's standard names; nothing but names changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("control", "0005_operation_open_index")]

    operations = [
        migrations.RenameField(model_name="auditentry", old_name="answered", new_name="answer_number"),
        migrations.RenameField(model_name="auditentry", old_name="before", new_name="previous_digest"),
        migrations.RenameField(model_name="auditentry", old_name="sealed", new_name="answer_digest"),
        migrations.RenameField(model_name="audithead", old_name="forgotten", new_name="pruned"),
        migrations.RenameField(model_name="audithead", old_name="forgotten_digest", new_name="pruned_digest"),
        migrations.RenameField(model_name="audithead", old_name="forgotten_lines", new_name="pruned_lines"),
        migrations.RenameField(model_name="audithead", old_name="forgotten_seal", new_name="pruned_seal"),
        migrations.RenameField(model_name="audithead", old_name="forgotten_until", new_name="pruned_until"),
        migrations.RenameField(model_name="operation", old_name="before", new_name="previous_values"),
    ]
