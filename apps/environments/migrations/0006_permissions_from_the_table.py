"""Permissions are rows that follow the table in `roles` after each migration; the model's options list them no more."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("environments", "0005_plain_names")]

    operations = [migrations.AlterModelOptions(name="environment", options={"ordering": ("id",)})]
