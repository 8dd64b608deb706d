"""Commands of control."""
