"""Balancers: services that spread requests over other services, by host and path."""
