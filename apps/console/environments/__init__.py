"""Pages of environments: members, host policy, effective permissions."""
