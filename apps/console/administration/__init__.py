"""Pages of the installation: accounts, roles, log-in providers, settings, open mode."""
