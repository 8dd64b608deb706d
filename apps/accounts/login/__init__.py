"""Logging in: sessions, passwords, the second factor, open mode, and the reset for locked-out administrators."""
