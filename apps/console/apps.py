"""The Django app configuration of `console`."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The HTML console."""

    name = "apps.console"
    label = "console"
