"""The URLs of the WebSockets."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import re_path

from apps.realtime.agent import AgentSocket
from apps.realtime.base_socket import UnknownPathSocket
from apps.realtime.docker_socket import DockerSocket
from apps.realtime.events import EventsSocket
from apps.realtime.logs import LogsSocket, V1LogsSocket
from apps.realtime.origin import require_same_origin
from apps.realtime.port_forward import PortForwardSocket
from apps.realtime.shell import ShellSocket, V1ExecSocket
from apps.realtime.stats import StatsSocket
from apps.realtime.subscribe import SubscribeSocket
from apps.realtime.v1_stats import V1StatsSocket

urls = [
    re_path(r"^ws/events$", EventsSocket.as_asgi()),
    re_path(r"^ws/logs$", LogsSocket.as_asgi()),
    re_path(r"^ws/shell$", ShellSocket.as_asgi()),
    re_path(r"^ws/forward$", PortForwardSocket.as_asgi()),
    re_path(r"^ws/stats$", StatsSocket.as_asgi()),
    re_path(r"^(?P<dialect>v1|v2-beta)/(?:projects/(?P<project>[^/]+)/)?subscribe/?$", SubscribeSocket.as_asgi()),
    re_path(r"^v1/agent/?$", AgentSocket.as_asgi()),
    re_path(r"^v1/logs/?$", V1LogsSocket.as_asgi()),
    re_path(r"^v1/exec/?$", V1ExecSocket.as_asgi()),
    re_path(r"^v1/dockersocket/?$", DockerSocket.as_asgi()),
    re_path(r"^v1/(?:host|container)?stats(?:/.*)?$", V1StatsSocket.as_asgi()),
    re_path(r"", UnknownPathSocket.as_asgi()),
]

websocket_application = require_same_origin(URLRouter(urls))
