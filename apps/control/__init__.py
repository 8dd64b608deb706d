"""Requesting changes and carrying them out: operations, the audit log, the loop."""
