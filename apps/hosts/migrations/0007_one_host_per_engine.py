"""The constraint of its own: PostgreSQL refuses to build an index on rows that its transaction has just changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosts", "0006_fenced_hosts")]

    operations = [
        migrations.AddConstraint(
            model_name="host",
            constraint=models.UniqueConstraint(
                fields=["engine_id"],
                condition=models.Q(("removed", None), models.Q(("engine_id", ""), _negated=True)),
                name="one_host_per_engine",
            ),
        ),
    ]
