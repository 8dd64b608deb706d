"""Django's configuration of `containers`: registers containers and pulls with the loop and the hosts."""

from django.apps import AppConfig


class ContainersConfig(AppConfig):
    """Containers and pulls."""

    name = "apps.containers"
    label = "containers"

    def ready(self) -> None:
        """Register the reconcilers, the workload, and what empties a removed environment."""
        from apps.containers import deployment_units, engine, pull_reconcile, pull_waits, reconcile, selectors, services
        from apps.containers.images.removal import REMOVAL_DEADLINE, reconcile_removal
        from apps.containers.lost_addresses import release_lost_addresses
        from apps.containers.models import Container, ImageRemoval, Pull
        from apps.containers.registry_logins import pulls_awaiting_login
        from apps.containers.workload import ContainerWorkload
        from apps.control.kinds import register, requeue_owners
        from apps.control.periodic import register_job
        from apps.core.hooks import hooks
        from apps.hosts.workloads import workloads

        register(Container, reconcile.reconcile_container)
        register(Pull, pull_reconcile.reconcile_pull, deadline=1800)
        register(ImageRemoval, reconcile_removal, deadline=REMOVAL_DEADLINE)
        requeue_owners("pull", pull_waits.containers_awaiting_pull)
        for kind in ("registryCredential", "registry", "sharedRegistry"):
            requeue_owners(kind, pulls_awaiting_login)
        requeue_owners("container", deployment_units.members_to_requeue)
        requeue_owners("container", engine.containers_awaiting_name)
        requeue_owners("host", selectors.containers_awaiting_host)
        workloads.register(ContainerWorkload())
        register_job("release-lost-addresses", release_lost_addresses)
        hooks.on_environment_removed.insert(0, services.remove_environment_containers)
