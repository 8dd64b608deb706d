"""The network policy of an environment, worked out from its services, links and stacks."""
