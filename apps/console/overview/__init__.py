"""The overview: the landing page after log-in."""
