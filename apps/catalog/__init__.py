"""Catalogs of templates: git repositories and the built-in library, from which stacks are launched and upgraded."""
