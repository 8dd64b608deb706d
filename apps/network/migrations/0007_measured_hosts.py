from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("network", "0006_port_range"),
    ]

    operations = [
        migrations.AddField(
            model_name="networkcheck",
            name="measured",
            field=models.JSONField(default=list),
        ),
    ]
