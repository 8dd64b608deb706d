"""Django's handle on `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and keys."""

    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Have every log-in begin a session, and tell higher apps how to end them."""
        from django.contrib.auth.signals import user_logged_in

        from apps.accounts.login.sessions import login_noted, sessions_close
        from apps.core.ports import ports

        user_logged_in.connect(login_noted, dispatch_uid="sessions")
        ports.sessions_close = sessions_close
