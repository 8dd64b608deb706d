"""WebSockets: events, logs, shells, statistics, and the tunnels of agents."""
