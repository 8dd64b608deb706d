"""Simulated hosts: engines in memory behind the agent's own proxy, for demonstrations and runs with many hosts.

The one part of the agent that needs more than its two packages: `simulated_engine`, which real hosts do without.
"""
