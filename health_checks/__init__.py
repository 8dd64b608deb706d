"""Health checks over the network: what portal and agent share. The standard library only."""
