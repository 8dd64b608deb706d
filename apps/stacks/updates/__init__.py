"""Newer images: which images registries have by now, who runs older ones, and upgrades to the newer by policy."""
