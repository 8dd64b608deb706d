"""Upgrades that are judged: what the new containers do compared with the old ones, and what follows from it."""
