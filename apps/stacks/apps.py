"""Django's handle on `stacks`: puts stacks and services under the loop and has containers wake their service."""

from django.apps import AppConfig


class StacksConfig(AppConfig):
    """Stacks and services."""

    name = "apps.stacks"
    label = "stacks"

    def ready(self) -> None:
        """Register with the loop and the emptying of environments."""
        from apps.control.reconcile import owned_by, register
        from apps.core.ports import ports
        from apps.hosts import drain as host_drain
        from apps.hosts import lost
        from apps.stacks import drain, reconcile, services
        from apps.stacks.models import Service, Stack

        register(Stack, reconcile.settle_stack)
        register(Service, reconcile.settle_service)
        host_drain.drainers.append(drain.leaving)
        lost.losers.append(drain.lost)
        owned_by("host", drain.when_back)
        owned_by("container", reconcile.service_of)
        owned_by("service", reconcile.stack_of)
        ports.emptiers.insert(0, services.environment_empty)
