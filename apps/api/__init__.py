"""The v1 wire."""
