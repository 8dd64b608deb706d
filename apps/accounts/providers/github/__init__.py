"""Logging in through GitHub, and its API."""
