"""Answers as bytes, without their first two (the question's number): made once for a question, sent many times."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from corral_agent.names import packet
from corral_agent.names.packet import AAAA, NO_ERROR, NXDOMAIN, A, Question, Record

TTL = 1  # seconds: what a container that has gone is still asked at
_MAX_TTL_ELSEWHERE = 5
_ADDRESS_SIZES = {A: 4, AAAA: 16}
_RECORD_HEAD = struct.Struct("!HHIH")


class RotatingReply:
    """Addresses, another one first with each answer; those that do not fit into one answer come with a later one."""

    __slots__ = ("_head", "_records", "_size", "_step", "_tail", "_total", "_turns")

    def __init__(self, question: Question, kind: int, addresses: Sequence[bytes], turns: Iterator[int]) -> None:
        records = [packet.address_record(kind, each, TTL) for each in addresses]
        self._step = len(records[0])
        self._total = len(records)
        room = question.size - packet.HEADER - len(question.raw) - len(packet.tail(question))
        fitting = min(self._total, room // self._step)
        self._head = packet.head(question, NO_ERROR, counts=(fitting, 0), cut=fitting < self._total)
        self._records = b"".join(records * 2)
        self._size = fitting * self._step
        self._tail = packet.tail(question)
        self._turns = turns

    def next(self) -> bytes:
        """The next answer."""
        at = next(self._turns) % self._total * self._step
        return self._head + self._records[at : at + self._size] + self._tail


class FixedReply:
    """The same answer every time."""

    __slots__ = ("_reply",)

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def next(self) -> bytes:
        """The answer."""
        return self._reply


Reply = RotatingReply | FixedReply


def addresses_reply(question: Question, domain: str, addresses: Sequence[bytes], turns: Iterator[int]) -> Reply:
    """The addresses of a name; without any of the family that was asked for, that there are none."""
    if not addresses:
        return negative_reply(question, domain, NO_ERROR)
    return RotatingReply(question, A if len(addresses[0]) == 4 else AAAA, addresses, turns)


def negative_reply(question: Question, domain: str, code: int = NXDOMAIN) -> FixedReply:
    """That there is no such name, or nothing of the kind that was asked for; resolvers may keep it for a second."""
    zone = encode_name(domain)
    data = zone + encode_name(f"hostmaster.{domain}") + struct.pack("!IIIII", 1, 3600, 600, 86_400, TTL)
    record = zone + _RECORD_HEAD.pack(packet.SOA, 1, TTL, len(data)) + data
    return FixedReply(packet.head(question, code, counts=(0, 1)) + record + packet.tail(question))


def pointer_reply(question: Question, target: str) -> FixedReply:
    """The name of an address."""
    return FixedReply(
        packet.head(question, NO_ERROR, counts=(1, 0)) + _named(packet.PTR, target) + packet.tail(question)
    )


def elsewhere_reply(
    question: Question, target: str, kind: int, found: Sequence[Record], *, code: int = NO_ERROR, turn: int = 0
) -> FixedReply:
    """A name that stands for another one, and the addresses of that as others gave them; as many as fit."""
    owner = encode_name(target)
    ttl = max(TTL, min((each.ttl for each in found), default=0))
    head = owner + _RECORD_HEAD.pack(kind, 1, min(ttl, _MAX_TTL_ELSEWHERE), _ADDRESS_SIZES.get(kind, 0))
    at = turn % len(found) if found else 0
    records = [head + each.data for each in (*found[at:], *found[:at])]
    alias = _named(packet.CNAME, target)
    room = question.size - packet.HEADER - len(question.raw) - len(alias) - len(packet.tail(question))
    fitting = min(len(records), room // len(records[0])) if records else 0
    start = packet.head(question, code, counts=(1 + fitting, 0), cut=fitting < len(records))
    return FixedReply(start + alias + b"".join(records[:fitting]) + packet.tail(question))


def error_reply(question: Question, code: int) -> FixedReply:
    """That it cannot be answered."""
    return FixedReply(packet.head(question, code, counts=(0, 0), is_ours=False) + packet.tail(question))


def _named(kind: int, target: str) -> bytes:
    data = encode_name(target)
    return b"\xc0\x0c" + _RECORD_HEAD.pack(kind, 1, TTL, len(data)) + data


def encode_name(name: str) -> bytes:
    """A name as messages have it."""
    labels = [label.encode("latin-1") for label in name.split(".") if label]
    return b"".join(len(label).to_bytes() + label for label in labels) + b"\0"


def encode_question(name: str, kind: int) -> bytes:
    """A question of our own, without the head."""
    return encode_name(name) + struct.pack("!HH", kind, 1)
