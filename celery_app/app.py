"""The Celery application with its routes and the table of the clock."""

from __future__ import annotations

import os

from celery import Celery

from celery_app.beat import SCHEDULE
from celery_app.queues import ROUTES, TASK_QUEUES, TRANSPORT_OPTIONS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.base")

app = Celery("corral")
app.set_default()  # Celery keeps the current app per thread; workers and requests run in others
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = TASK_QUEUES
app.conf.task_routes = ROUTES
app.conf.broker_transport_options = {"visibility_timeout": 1800, **TRANSPORT_OPTIONS}
app.conf.beat_schedule = SCHEDULE
app.conf.beat_max_loop_interval = 30
app.autodiscover_tasks(["apps.control"])
