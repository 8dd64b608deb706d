"""Django's handle on `console`."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The HTML console."""

    name = "apps.console"
    label = "console"
