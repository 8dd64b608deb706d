"""Django's configuration of `network`: registers its documents, its check, and what follows hosts and environments."""

from django.apps import AppConfig


class NetworkConfig(AppConfig):
    """Managed networks."""

    name = "apps.network"
    label = "network"

    def ready(self) -> None:
        """Register the documents, the check, the workload, and what makes the network of a new environment."""
        from apps.control.kinds import register as register_kind
        from apps.core.hooks import hooks
        from apps.hosts.documents.sources import register
        from apps.hosts.workloads import workloads
        from apps.network.check_document import CheckDocumentSource
        from apps.network.check_reconcile import reconcile_network_check
        from apps.network.document import NetworkDocumentSource
        from apps.network.hosts import NetworkWorkload
        from apps.network.models import NetworkCheck
        from apps.network.services import network_create

        register(NetworkDocumentSource())
        register(CheckDocumentSource())
        register_kind(NetworkCheck, reconcile_network_check)
        workloads.register(NetworkWorkload())
        hooks.on_environment_created.append(network_create)
