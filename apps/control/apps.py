"""Django's handle on `control`: plugs asking and recording into the ports, and puts the lowest kinds under the loop."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Asking and making it happen."""

    name = "apps.control"
    label = "control"

    def ready(self) -> None:
        """Fill the ports and register accounts, keys and environments."""
        from apps.accounts.models import ApiKey, User
        from apps.accounts.reconcile import reconcile_account, reconcile_api_key
        from apps.control import reconcile, services
        from apps.control.queue import enqueue_after_commit
        from apps.core.hooks import hooks
        from apps.environments.models import Environment
        from apps.environments.reconcile import reconcile_environment as settle_environment

        hooks.ask, hooks.create, hooks.record = services.request_change, services.create, services.record
        hooks.wake = enqueue_after_commit
        reconcile.register(User, reconcile_account)
        reconcile.register(ApiKey, reconcile_api_key)
        reconcile.register(Environment, settle_environment)
