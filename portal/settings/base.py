"""Settings of every process, read from the environment; a bad value stops the start."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Any

from celery_app import app
from portal import __version__
from portal.front_door.limits import MAX_BODY
from portal.settings.database import database
from portal.settings.env import (
    env,
    env_bool,
    env_list,
    env_path,
    env_port,
    env_rate,
)

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = env_path("DATA_DIR", BASE_DIR / "data")
RUN_DIR = env_path("RUN_DIR", DATA_DIR)
# Catalogs: whether the built-in library is there, and whether `file://` names repositories (for tests only).
CATALOG_LIBRARY = True
CATALOG_LOCAL_REPOSITORIES = False


def _persistent_secret(name: str) -> str:
    """The installation's secret `name`: from the environment, else made once and kept in the data folder."""
    given = env(name.upper())
    if given:
        return given
    path = DATA_DIR / f"{name}.key"
    if not path.exists():
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()


VERSION = __version__

# Images that the portal makes itself when a host has not got them, by name; what makes one is given name and tag.
IMAGE_BUILDERS = {"corral/haproxy": "portal.tools.haproxy_image.archive"}
# What makes the image of the container that the portal keeps on hosts without an agent.
SYSTEM_IMAGE_BUILDER = "portal.tools.agent_archive"
DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = _persistent_secret("secret_key")
FIELD_KEYS = env_list("FIELD_KEYS") or [_persistent_secret("field")]
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or ["*"]
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
TRUSTED_PROXIES = env_list("TRUSTED_PROXIES")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "guardian",
    "channels",
    "django_htmx",
    "apps.core",
    "apps.accounts",
    "apps.environments",
    "apps.drivers",
    "apps.control",
    "apps.vault",
    "apps.federation",
    "apps.hosts",
    "apps.network",
    "apps.containers",
    "apps.volumes",
    "apps.stacks",
    "apps.catalog",
    "apps.builds",
    "apps.api",
    "apps.console",
    "apps.realtime",
]

MIDDLEWARE = [
    "apps.api.metrics.http_counts.HttpCountsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.content_policy.ContentPolicyMiddleware",
    "portal.compression.SafeGZipMiddleware",
    "portal.compression.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, Any] = {"default": database(env("DATABASE_URL"), DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

VALKEY_SOCKET = RUN_DIR / "valkey.sock"
REDIS_URL = env("REDIS_URL") or f"unix://{VALKEY_SOCKET}"
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "corral"},
    },
}

# Where other processes reach the agents' tunnels that this one holds; no relay server where there is only one process.
TUNNEL_HOST = env("TUNNEL_HOST") or (socket.gethostname() if env("REDIS_URL") else "")
TUNNEL_BIND = env("TUNNEL_BIND") or None
TUNNEL_PORT = env_port("TUNNEL_PORT")

# Where engines may be added by their address, such as 10.0.0.0/8,192.168.7.0/24; empty: anywhere.
ENGINE_NETWORKS = env_list("ENGINE_NETWORKS")

MIN_READY_SECONDS = 5  # a new container runs so long before an upgrade counts on it, as Docker watches an update
WAKE_BY = env("WAKE_BY", "celery")  # or "clock": no queue, due rows are found every two seconds
CELERY_APP = app  # imported here so that every process that enqueues a reconcile knows the broker
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = r"/static/dist/.+-[\w-]{8}\.\w+$"  # names with a hash of their content

REST_FRAMEWORK: dict[str, Any] = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.api.wire.auth.KeyAuthentication",
        "apps.api.wire.auth.BearerAuthentication",
        "apps.api.wire.auth.SessionAuthentication",
        "apps.api.wire.auth.TokenCookieAuthentication",
        "apps.api.wire.auth.OpenModeAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [],  # the view itself: what a caller may not know of is not there
    "DEFAULT_RENDERER_CLASSES": ["apps.api.wire.formats.V1Renderer", "apps.api.wire.browsable.BrowsableRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.wire.input.V1Parser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.api.wire.formats.V1ContentNegotiation",
    "DEFAULT_THROTTLE_CLASSES": [
        "apps.api.wire.throttles.AnonymousThrottle",
        "apps.api.wire.throttles.AccountThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": env_rate("API_ANONYMOUS_RATE", "600/min"),
        "account": env_rate("API_ACCOUNT_RATE", "3000/min"),
    },
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "apps.api.wire.errors.exception_handler",
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY + 1  # never on disk: anybody could fill it

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        "celery": {"level": "WARNING"},
        "kombu": {"level": "ERROR"},
        "uvicorn": {"level": "WARNING"},
        "asyncssh": {"level": "WARNING"},
    },
}

from portal.settings.auth import *  # noqa: E402, F403
