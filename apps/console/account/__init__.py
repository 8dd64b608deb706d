"""Pages of one's own account: two-factor authentication and sessions."""
