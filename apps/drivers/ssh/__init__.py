"""Reaching an engine through SSH."""
