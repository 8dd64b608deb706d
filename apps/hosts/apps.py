"""Django's configuration of `hosts`: registers hosts and registration tokens with the loop."""

from django.apps import AppConfig


class HostsConfig(AppConfig):
    """Machines with an engine."""

    name = "apps.hosts"
    label = "hosts"

    def ready(self) -> None:
        """Register the reconcilers, the dialer of tunnels, and what empties a removed environment."""
        from django.conf import settings

        from apps.control.kinds import register
        from apps.control.periodic import register_job
        from apps.core.hooks import hooks
        from apps.drivers.dialing import dialers
        from apps.drivers.engine_addresses import allow_networks
        from apps.hosts import reconcile, services
        from apps.hosts.models import Host, RegistrationToken
        from apps.hosts.stats.history import delete_expired
        from apps.hosts.tunnels import dialer

        register(Host, reconcile.reconcile_host, operation_deadlines={"host.evacuate": 24 * 3600.0})
        register(RegistrationToken, reconcile.reconcile_token)
        register_job("delete-expired-statistics", delete_expired)
        dialers["agent"] = dialer.dial
        allow_networks(settings.ENGINE_NETWORKS)
        hooks.on_environment_removed.insert(0, services.remove_environment_hosts)
