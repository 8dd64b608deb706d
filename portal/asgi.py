"""One ASGI entry for pages, API and WebSockets."""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.base")
# whitenoise hands files over as plain iterators; they are small, and Django reads them in a thread.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from apps.realtime.routing import websocket_application  # after the models
from portal.front_door.bodies import BodyGuard

application = BodyGuard(ProtocolTypeRouter({"http": django_application, "websocket": websocket_application}))
