"""Containers and the pulls they wait for."""
