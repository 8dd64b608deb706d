"""Volumes of an environment and of a host, and the files in them."""
