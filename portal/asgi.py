"""One ASGI entry for pages, API and WebSockets."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.base")

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from apps.realtime.routing import websocket_application  # noqa: E402 (models must be loaded first)

application = ProtocolTypeRouter({"http": django_application, "websocket": websocket_application})
