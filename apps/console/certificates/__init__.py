"""Certificates of an environment."""
