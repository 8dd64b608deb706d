"""The Django project: settings, URLs, ASGI entry and the all-in-one server; no domain logic."""
