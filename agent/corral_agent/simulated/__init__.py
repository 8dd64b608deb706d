"""Simulated hosts: an engine in memory behind the agent's own door, for demonstrations and runs with many hosts."""
