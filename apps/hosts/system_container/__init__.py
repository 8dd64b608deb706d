"""The agent's program as a container that the portal keeps on hosts without an agent, for their networks and checks."""
