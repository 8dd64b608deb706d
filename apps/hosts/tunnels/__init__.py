"""Tunnels to hosts whose agents dial out: SSH inside the agent's WebSocket, held by the process it came to."""
