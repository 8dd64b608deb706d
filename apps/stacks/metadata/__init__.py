"""What containers read about their environment: the document of metadata that agents answer from."""
