"""Templates that stacks are launched from, and the catalogs that they come from."""
