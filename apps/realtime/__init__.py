"""WebSockets: events, logs, shells, statistics."""
