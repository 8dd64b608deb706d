"""The domain, one package per noun that a user could name, lowest first (see docs/architecture.md)."""
