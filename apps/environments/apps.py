"""Django's handle on `environments`."""

from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    """The tenant."""

    name = "apps.environments"
    label = "environments"

    def ready(self) -> None:
        """Tell the log-in what it needs to know of members."""
        from apps.core.ports import ports
        from apps.environments.selectors import is_member
        from apps.environments.services import memberships_of_account, revoking

        ports.identified, ports.is_member, ports.revoking = memberships_of_account, is_member, revoking
