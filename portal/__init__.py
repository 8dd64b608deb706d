"""The Django project: settings, URLs, ASGI entry and the all-in-one server; no domain logic."""

__version__ = "0.1.0"  # the one place: everything else reads it, and tests/portal/test_version.py says so
