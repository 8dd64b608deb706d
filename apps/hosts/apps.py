"""Django's handle on `hosts`: puts hosts and registration tokens under the loop."""

from django.apps import AppConfig


class HostsConfig(AppConfig):
    """Machines with an engine."""

    name = "apps.hosts"
    label = "hosts"

    def ready(self) -> None:
        """Register with the loop, and let environments be emptied of hosts."""
        from apps.control.reconcile import register
        from apps.core.ports import ports
        from apps.hosts import reconcile, services
        from apps.hosts.models import Host, RegistrationToken

        register(Host, reconcile.settle)
        register(RegistrationToken, reconcile.settle_token)
        ports.emptiers.insert(0, services.environment_empty)
