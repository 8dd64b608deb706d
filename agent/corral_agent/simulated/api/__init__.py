"""The simulated engine's HTTP API: as much of Docker's as the agent's proxy lets through."""
