"""How much of a host containers may reserve."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosts", "0007_one_host_per_engine")]

    operations = [
        migrations.AddField("host", "memory_limit", models.PositiveBigIntegerField(blank=True, null=True)),
        migrations.AddField("host", "milli_cpu_limit", models.PositiveIntegerField(blank=True, null=True)),
    ]
