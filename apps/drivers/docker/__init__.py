"""The driver of real Docker engines: SDK, raw HTTP, streams, values."""
