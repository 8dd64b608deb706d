"""A Docker engine simulated in memory: its state and rules, without a face of its own.

The portal's driver of `sim://` engines and the agent's simulated hosts are thin adapters of this one. It needs the
standard library only and neither blocks nor awaits: whoever waits for something subscribes a callback.
"""
