"""By which try of its own an agent got a credential."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosts", "0009_system_containers")]

    operations = [migrations.AddField("agentcredential", "attempt", models.PositiveIntegerField(default=1))]
