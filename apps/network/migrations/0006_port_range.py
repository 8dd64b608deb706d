from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("network", "0005_host_figures"),
    ]

    operations = [
        migrations.AddField(
            model_name="environmentnetwork",
            name="port_range",
            field=models.CharField(default="49153-65535", max_length=11),
        ),
    ]
