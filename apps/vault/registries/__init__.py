"""Registries that images are pulled from, and the credentials that open them."""
