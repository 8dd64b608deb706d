"""Django's handle on `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and keys."""

    name = "apps.accounts"
    label = "accounts"
