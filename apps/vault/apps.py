"""Django's configuration of `vault`: registers certificates and registries with the loop."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Certificates and their keys, registries and their credentials."""

    name = "apps.vault"
    label = "vault"

    def ready(self) -> None:
        """Register the reconcilers, and what empties a removed environment."""
        from apps.control.kinds import register
        from apps.core.hooks import hooks
        from apps.vault import reconcile, services
        from apps.vault.models import Certificate, Registry, RegistryCredential, SharedRegistry
        from apps.vault.registries.reconcile import reconcile_registry
        from apps.vault.registries.services import remove_environment_registries

        register(Certificate, reconcile.reconcile_certificate)
        for model in (Registry, RegistryCredential, SharedRegistry):
            register(model, reconcile_registry)
        hooks.on_environment_removed.insert(0, remove_environment_registries)
        hooks.on_environment_removed.insert(0, services.remove_environment_certificates)
