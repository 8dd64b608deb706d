"""Engines in memory behind the same protocol as real ones: an adapter of `simulated_engine`."""
