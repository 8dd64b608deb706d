from typing import Any

from django.db import migrations


def make_networks(apps: Any, _schema_editor: Any) -> None:
    """Give every environment its network; its own number is free as the network's, as there is none yet."""
    environments = apps.get_model("environments", "Environment")
    networks = apps.get_model("network", "EnvironmentNetwork")
    keys = environments.objects.filter(network=None).values_list("pk", flat=True)
    networks.objects.bulk_create([networks(environment_id=key, vni=key % (1 << 24)) for key in keys])


class Migration(migrations.Migration):
    dependencies = [("network", "0001_initial")]

    operations = [migrations.RunPython(make_networks, migrations.RunPython.noop)]
