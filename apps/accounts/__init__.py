"""People, their keys and how they log in."""
