"""Statistics of hosts and containers: live, one sample a minute for the past, and how they are stored."""
