"""Registries of an environment, and those that administrators lend to environments."""
