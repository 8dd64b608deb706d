"""Django's handle on `control`: plugs asking and recording into the ports, and puts the lowest kinds under the loop."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Asking and making it happen."""

    name = "apps.control"
    label = "control"

    def ready(self) -> None:
        """Fill the ports and register accounts, keys and environments."""
        from apps.accounts.models import ApiKey, User
        from apps.accounts.reconcile import settle, settle_account
        from apps.control import reconcile, services
        from apps.control.wake import wake
        from apps.core.ports import ports
        from apps.environments.models import Environment
        from apps.environments.reconcile import settle as settle_environment

        ports.ask, ports.create, ports.record = services.ask, services.create, services.record
        ports.wake = wake
        reconcile.register(User, settle_account)
        reconcile.register(ApiKey, settle)
        reconcile.register(Environment, settle_environment)
