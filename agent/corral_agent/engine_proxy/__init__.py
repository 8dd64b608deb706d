"""The proxy in front of the engine: reads every request strictly, and lets through only what Corral needs."""
