"""Pages of logging in: password, second factor, GitHub, set-up, re-authentication."""
