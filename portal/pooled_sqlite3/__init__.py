"""Django's SQLite backend with connections that threads hand to one another."""
