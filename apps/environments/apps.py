"""Django's handle on `environments`."""

from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    """The tenant."""

    name = "apps.environments"
    label = "environments"

    def ready(self) -> None:
        """Tell the log-in what it needs to know of members."""
        from apps.core.hooks import hooks
        from apps.environments.selectors import is_member
        from apps.environments.services import memberships_sync, revoking

        hooks.on_identity_updated, hooks.is_member, hooks.revoking = memberships_sync, is_member, revoking
