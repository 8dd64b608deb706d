"""Managed networks: the subnet, the hosts and the addresses of each environment, and the document that hosts get."""
