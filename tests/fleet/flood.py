"""Asks the name server and the metadata of a host, politely or as fast as it can; runs in a container's network.

`flood.py flood` asks both until it is killed; `flood.py count NAME N` asks for a name and for metadata N times each,
one after another, and prints how many answers there were and the milliseconds that the slowest took; `flood.py await
NAME` asks for a name until it has an address, and prints the time.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

ADDRESS = "169.254.169.250"
CONNECTIONS = 40
_TIMEOUT, _GIVE_UP = 5.0, 60.0


def question(name: str) -> bytes:
    """Asks for the IPv4 addresses of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def ask_name(name: str) -> bool:
    """Whether there is an answer with an address, asked once more after a second as a resolver would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((ADDRESS, 53))
        client.settimeout(1.0)
        for _ in range(int(_TIMEOUT)):
            with contextlib.suppress(OSError):
                client.send(question(name))
                return client.recv(4096)[7] > 0  # how many answers, below 256
    return False


def ask_metadata(_name: str) -> bool:
    """Whether the metadata says who this is."""
    client = HTTPConnection(ADDRESS, timeout=_TIMEOUT)
    try:
        client.request("GET", "/latest/self/container/name")
        return client.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        client.close()


def count(ask: Callable[[str], bool], name: str, times: int) -> tuple[int, float]:
    """How often there was an answer, and the slowest in milliseconds; gives up after a minute."""
    answered, slowest, over = 0, 0.0, time.monotonic() + _GIVE_UP
    for _ in range(times):
        if (began := time.monotonic()) < over:
            answered += ask(name)
            slowest = max(slowest, time.monotonic() - began)
    return answered, 1000 * slowest


def await_name(name: str) -> float:
    """Ask until there is an address; the time of day then."""
    while not ask_name(name):
        time.sleep(0.01)
    return time.time()


def flood() -> None:
    """More than is allowed, of both kinds."""
    for _ in range(CONNECTIONS):
        threading.Thread(target=_request_for_ever, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((ADDRESS, 53))
        asked = [question(f"nothing{number}.rancher.internal") for number in range(1000)]
        while True:
            for each in asked:
                with contextlib.suppress(OSError):
                    client.send(each)


def _request_for_ever() -> None:
    request = b"GET /latest/ HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n" * 8
    while True:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, 80), _TIMEOUT) as client:
            while True:
                client.sendall(request)
                if not client.recv(65536):
                    break


if __name__ == "__main__":
    if sys.argv[1] == "flood":
        flood()
    if sys.argv[1] == "await":
        sys.stdout.write("asking\n")
        sys.stdout.flush()
        sys.stdout.write(str(await_name(sys.argv[2])))
        sys.exit()
    kinds = {"names": ask_name, "metadata": ask_metadata}
    json.dump({kind: count(ask, sys.argv[2], int(sys.argv[3])) for kind, ask in kinds.items()}, sys.stdout)
