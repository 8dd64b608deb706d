"""Machines with an engine that environments own."""
