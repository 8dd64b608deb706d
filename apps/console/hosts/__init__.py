"""Pages of hosts: list, detail, registration, images, timeline, evacuation."""
