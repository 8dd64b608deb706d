"""Pages of stacks and services."""
