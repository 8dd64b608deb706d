"""The tenant, its members, and who may do what in it."""
