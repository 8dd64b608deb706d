"""Health checks on their way: documents to whoever makes the checks of a host, and what these report."""
