"""Corral's command line. Standard library only, Python 3.9 or newer; nothing of the portal is imported."""

VERSION = "0.1.0"
