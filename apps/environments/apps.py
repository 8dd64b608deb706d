"""Django's handle on `environments`."""

from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    """The tenant."""

    name = "apps.environments"
    label = "environments"
