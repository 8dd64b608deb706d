"""The Django application `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and keys."""

    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Begin a session at every login, and let higher apps end sessions."""
        from django.contrib.auth.signals import user_logged_in

        from apps.accounts.login.sessions import on_user_logged_in, sessions_close
        from apps.core.hooks import hooks

        user_logged_in.connect(on_user_logged_in, dispatch_uid="sessions")
        hooks.sessions_close = sessions_close
