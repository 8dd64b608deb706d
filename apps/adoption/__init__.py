"""Containers that run already become stacks, as they are, and are given back the same way."""
