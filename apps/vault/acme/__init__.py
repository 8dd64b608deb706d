"""Certificates from an authority that speaks ACME (RFC 8555), proved over HTTP (HTTP-01)."""
