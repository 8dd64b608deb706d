"""Tools beside the portal: demonstration, container images, set-up of the local Docker engine."""
