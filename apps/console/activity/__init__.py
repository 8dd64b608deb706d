"""Pages of operations and of the audit log."""
