"""What an environment keeps locked away: certificates with their private keys."""
