"""Django's handle on `api`: gives sockets the v1 view of a row."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The v1 wire."""

    name = "apps.api"
    label = "api"

    def ready(self) -> None:
        """Register the types, and the renderer that sockets use."""
        from apps.api.socket_render import render
        from apps.core.hooks import hooks

        hooks.render = render
