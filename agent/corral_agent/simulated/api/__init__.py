"""The Engine API of the simulated engine, over HTTP."""
