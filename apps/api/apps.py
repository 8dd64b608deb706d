"""Django's handle on `api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The v1 wire."""

    name = "apps.api"
    label = "api"
