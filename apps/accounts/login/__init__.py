"""Logging in: sessions and their ends, passwords, the second factor, and the way in for the locked-out."""
