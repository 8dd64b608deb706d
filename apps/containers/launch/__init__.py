"""The launch configuration: its declared fields and the engine body built from them."""
