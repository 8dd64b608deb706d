"""The metadata service: what containers read about themselves and their environment at http://rancher-metadata/."""
