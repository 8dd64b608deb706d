"""What was reserved before the columns were there is summed up like what is reserved since."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.selectors import counts_by_host
from apps.containers.services import build_container
from apps.environments.models import Environment
from apps.hosts.models import Host

migration = import_module("apps.containers.migrations.0007_reservations")
CONFIG = {"imageUuid": "docker:bb", "memoryReservation": 8 << 20, "milliCpuReservation": 250}


def test_the_upgrade_reads_reservations_off_the_configurations(lab: Environment, host: Host) -> None:
    for name, config in (("a", CONFIG), ("b", {"imageUuid": "docker:bb"})):
        row = build_container(environment=lab, config=LaunchConfig.from_wire(config), name=name, host=host)
        row.reserved_memory = 0
        row.save()
    migration.fill(apps, None)
    assert dict(Container.all_objects.values_list("name", "reserved_memory")) == {"a": 8 << 20, "b": 0}


def test_what_is_reserved_is_summed_up_but_not_for_what_is_stopped(lab: Environment, host: Host) -> None:
    for name in ("a", "b", "c"):
        build_container(environment=lab, config=LaunchConfig.from_wire(CONFIG), name=name, host=host).save()
    Container.all_objects.filter(name="c").update(desired="stopped")
    use = counts_by_host(lab.pk)[host.pk]
    assert (use.containers, use.memory, use.milli_cpu) == (3, 16 << 20, 500)
