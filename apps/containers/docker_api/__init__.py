"""The part of the Docker API of one host that people use through the portal: their environment's containers, no others.

Nothing that a client sends reaches the engine: each request is understood here and becomes a call of the driver.
"""
