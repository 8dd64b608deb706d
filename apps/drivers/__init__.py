"""How Corral speaks to a container engine."""
