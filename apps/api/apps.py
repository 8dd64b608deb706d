"""The Django app `api`: provides the hook that renders rows for WebSockets."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The v1 REST API."""

    name = "apps.api"
    label = "api"

    def ready(self) -> None:
        """Import the types, and provide the renderer that sockets use."""
        from apps.api.socket_render import render
        from apps.core.hooks import hooks

        hooks.render = render
