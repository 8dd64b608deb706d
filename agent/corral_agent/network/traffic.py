"""What has passed through this host's part of the network, by the kernel's counters of its devices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

DEVICES = Path("/sys/class/net")
_DROPPED = ("rx_dropped", "tx_dropped", "rx_errors", "tx_errors")


def read_traffic(port: str, others: Iterable[str], devices: Path = DEVICES) -> dict[str, int]:
    """Bytes from and to other hosts by the VXLAN port, and packets lost there or in the `others`.

    Cumulative since the devices were made; empty without the port.
    """
    received, sent = _counter(devices, port, "rx_bytes"), _counter(devices, port, "tx_bytes")
    if received is None or sent is None:
        return {}
    lost = (_counter(devices, device, name) or 0 for device in (port, *others) for name in _DROPPED)
    return {"received": received, "sent": sent, "dropped": sum(lost)}


def _counter(devices: Path, device: str, name: str) -> int | None:
    """One of the kernel's numbers; None where the device, which may go any moment, is not there."""
    try:
        return int((devices / device / "statistics" / name).read_text())
    except (OSError, ValueError):
        return None
