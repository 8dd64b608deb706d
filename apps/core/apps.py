"""Django's app configuration of `core`."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Shared foundations and the installation's settings table."""

    name = "apps.core"
    label = "core"
