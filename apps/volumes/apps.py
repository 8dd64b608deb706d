"""Django's configuration of `volumes`: registers volumes and storage pools with the loop and the hosts."""

from django.apps import AppConfig


class VolumesConfig(AppConfig):
    """The volumes of hosts."""

    name = "apps.volumes"
    label = "volumes"

    def ready(self) -> None:
        """Register the reconcilers and the workload."""
        from apps.control.kinds import register
        from apps.hosts.workloads import workloads
        from apps.volumes.models import StoragePool, Volume
        from apps.volumes.pool_reconcile import reconcile_pool
        from apps.volumes.reconcile import reconcile_volume
        from apps.volumes.workload import VolumeWorkload

        register(StoragePool, reconcile_pool)
        register(Volume, reconcile_volume)
        workloads.register(VolumeWorkload())
