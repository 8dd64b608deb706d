"""Django's configuration of `environments`."""

from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    """The tenant."""

    name = "apps.environments"
    label = "environments"

    def ready(self) -> None:
        """Provide what accounts need to know of members, and keep the permissions' rows up to date."""
        from django.db.models.signals import post_migrate

        from apps.core.hooks import hooks
        from apps.environments.selectors import is_member
        from apps.environments.services import memberships_sync, permissions_sync, revoking
        from apps.environments.services.provider_members import count_members, remove_members

        hooks.on_identity_updated, hooks.is_member, hooks.revoking = memberships_sync, is_member, revoking
        hooks.count_members, hooks.remove_members = count_members, remove_members
        post_migrate.connect(permissions_sync, sender=self)
