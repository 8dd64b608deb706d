"""Django's configuration of `catalog`: registers catalogs with the loop, and keeps the built-in library present."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Catalogs, their templates and the versions of these."""

    name = "apps.catalog"
    label = "catalog"

    def ready(self) -> None:
        """Register the reconciler, what empties a removed environment, and the library of each installation."""
        from django.db.models.signals import post_migrate

        from apps.catalog.library_row import ensure_library
        from apps.catalog.models import Catalog
        from apps.catalog.reconcile import reconcile_catalog
        from apps.catalog.services import remove_environment_catalogs
        from apps.control.kinds import register
        from apps.core.hooks import hooks

        register(Catalog, reconcile_catalog)
        hooks.on_environment_removed.insert(0, remove_environment_catalogs)
        post_migrate.connect(ensure_library, sender=self)
