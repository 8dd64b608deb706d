"""Django's handle on `stacks`: puts stacks and services under the loop and has containers wake their service."""

from django.apps import AppConfig


class StacksConfig(AppConfig):
    """Stacks and services."""

    name = "apps.stacks"
    label = "stacks"

    def ready(self) -> None:
        """Register with the loop and the emptying of environments."""
        from apps.control.kinds import register, requeue_owners
        from apps.core.hooks import hooks
        from apps.hosts import drain as host_drain
        from apps.hosts import lost
        from apps.stacks import drain, reconcile, services
        from apps.stacks.models import Service, Stack

        register(Stack, reconcile.reconcile_stack)
        register(Service, reconcile.reconcile_service)
        host_drain.drainers.append(drain.drain_services)
        lost.losers.append(drain.requeue_services_of_lost_host)
        requeue_owners("host", drain.services_of_returned_host)
        requeue_owners("container", reconcile.services_to_requeue)
        requeue_owners("service", reconcile.stacks_to_requeue)
        hooks.on_environment_removed.insert(0, services.remove_environment_stacks)
