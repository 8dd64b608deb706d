from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("stacks", "0019_balancer_selector_history"),
    ]

    operations = [
        migrations.AddField(
            model_name="servicerevision",
            name="verdict_settings",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="upgradeobservation",
            name="responses",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="upgradeobservation",
            name="history",
            field=models.JSONField(null=True),
        ),
    ]
