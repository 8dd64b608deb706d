"""Django's handle on `drivers`."""

from django.apps import AppConfig


class DriversConfig(AppConfig):
    """How Corral speaks to engines."""

    name = "apps.drivers"
    label = "drivers"
