"""The agent's own door before the engine: it reads every request strictly and lets through what Corral needs."""
