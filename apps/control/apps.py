"""Django's app configuration of `control`: fills the hooks, registers the lowest kinds and the periodic jobs."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Operations, the audit log and the loop."""

    name = "apps.control"
    label = "control"

    def ready(self) -> None:
        """Fill the hooks, have the loop reconcile accounts, keys and environments, register what runs by the clock."""
        from apps.accounts.login.open_mode import warn_if_open_mode
        from apps.accounts.models import ApiKey, User
        from apps.accounts.reconcile import reconcile_account, reconcile_api_key
        from apps.control import kinds, periodic, reconcile, retention, services
        from apps.control.queue import enqueue_after_commit
        from apps.core.hooks import hooks
        from apps.environments.models import Environment
        from apps.environments.reconcile import reconcile_environment

        hooks.request_change, hooks.create, hooks.record = services.request_change, services.create, services.record
        hooks.enqueue_after_commit = enqueue_after_commit
        kinds.register(User, reconcile_account)
        kinds.register(ApiKey, reconcile_api_key)
        kinds.register(Environment, reconcile_environment)
        periodic.register_job("resync", reconcile.resync)
        periodic.register_job("fail-overdue-operations", reconcile.fail_overdue)
        periodic.register_job("warn-if-open-mode", warn_if_open_mode)
        periodic.register_job("delete-expired-rows", retention.delete_expired_rows)
