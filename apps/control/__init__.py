"""Asking for changes and making them happen: operations, audit, the loop."""
