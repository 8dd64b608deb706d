"""The launch fields: what one is (`declaration`), and the table of all of them, by section."""
