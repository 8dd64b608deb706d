"""Django's handle on `realtime`."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """WebSockets."""

    name = "apps.realtime"
    label = "realtime"
