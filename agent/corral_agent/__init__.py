"""Corral's host agent: one connection out to the portal, through which the portal uses this host's engine."""

VERSION = "0.1.0"
