"""Stacks, services and the slots that tie services to containers."""
