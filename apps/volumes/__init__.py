"""Volumes of hosts: what is there, who uses it, and the files in it."""
