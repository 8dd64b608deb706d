"""Django's configuration of `network`: registers the document, and what follows hosts and environments."""

from django.apps import AppConfig


class NetworkConfig(AppConfig):
    """Managed networks."""

    name = "apps.network"
    label = "network"

    def ready(self) -> None:
        """Register the document, the workload, and what makes the network of a new environment."""
        from apps.core.hooks import hooks
        from apps.hosts.documents.sources import register
        from apps.hosts.workloads import workloads
        from apps.network.document import NetworkDocumentSource
        from apps.network.hosts import NetworkWorkload
        from apps.network.services import network_create

        register(NetworkDocumentSource())
        workloads.register(NetworkWorkload())
        hooks.on_environment_created.append(network_create)
