"""The names of services and containers as documents for hosts, whose agents answer them to the containers there."""
