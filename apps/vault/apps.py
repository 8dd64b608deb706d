"""Django's configuration of `vault`: registers certificates with the loop."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Certificates and their keys."""

    name = "apps.vault"
    label = "vault"

    def ready(self) -> None:
        """Register the reconciler, and what empties a removed environment."""
        from apps.control.kinds import register
        from apps.core.hooks import hooks
        from apps.vault import reconcile, services
        from apps.vault.models import Certificate

        register(Certificate, reconcile.reconcile_certificate)
        hooks.on_environment_removed.insert(0, services.remove_environment_certificates)
