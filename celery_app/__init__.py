"""The Celery application: `celery -A celery_app worker` runs Corral's worker."""

from celery_app.app import app

__all__ = ["app"]
