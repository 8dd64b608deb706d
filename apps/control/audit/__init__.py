"""The audit log: chain, verification, export."""
