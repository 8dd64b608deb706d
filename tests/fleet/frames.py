"""Frames as a hostile container sends them, and what arrives of them; runs in the network namespace of a container.

`frames.py send DEVICE` reads pairs of hexadecimal frames and addresses from its input;
`frames.py receive DEVICE MARK...` prints which of the marks came in, once it has seen the last one.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from ipaddress import IPv4Address

_ALL = 0x0003
_TIMEOUT = 20.0


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ip_frame(mac: str, address: str, to_mac: str, to: str, mark: str) -> bytes:
    """A UDP datagram with a mark in it."""
    data = mark.encode()
    udp = struct.pack("!HHHH", 9, 9, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    head += IPv4Address(address).packed + IPv4Address(to).packed
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return mac_bytes(to_mac) + mac_bytes(mac) + b"\x08\x00" + head + udp


def arp_reply(mac: str, address: str, to_mac: str, to: str, mark: str, *, inner_mac: str = "") -> bytes:
    """An answer that nobody has asked for: `address` is at `mac`."""
    body = b"\x00\x01\x08\x00\x06\x04\x00\x02" + mac_bytes(inner_mac or mac) + IPv4Address(address).packed
    return (
        mac_bytes(to_mac)
        + mac_bytes(mac)
        + b"\x08\x06"
        + body
        + mac_bytes(to_mac)
        + IPv4Address(to).packed
        + mark.encode()
    )


def other_frame(kind: int, mac: str, to_mac: str, mark: str) -> bytes:
    """Something that is neither IPv4 nor ARP."""
    return mac_bytes(to_mac) + mac_bytes(mac) + struct.pack("!H", kind) + b"\x60" + b"\x00" * 45 + mark.encode()


def vxlan(vni: int, frame: bytes) -> bytes:
    """A frame as VXLAN carries it."""
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _send(device: str) -> None:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for text, address in json.load(sys.stdin):
        if address:
            udp.sendto(bytes.fromhex(text), (address, 4789))
        else:
            raw.send(bytes.fromhex(text))


def _receive(device: str, marks: list[str]) -> None:
    seen: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as raw:
        raw.bind((device, _ALL))
        raw.settimeout(_TIMEOUT)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while marks[-1] not in seen:
            data = raw.recv(65536)
            seen |= {mark for mark in marks if mark.encode() in data}
    json.dump(sorted(seen), sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "send":
        _send(sys.argv[2])
    else:
        _receive(sys.argv[2], sys.argv[3:])
