"""The managed network on this host: the bridge's port to the other hosts, encryption, filters and announcements."""
