"""DNS messages as far as every question needs: by hand, since a library takes half a millisecond for each.

What is read here was sent by anybody: nothing raises but `MalformedMessage`, and everything takes linear time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = 12
A, CNAME, SOA, PTR, AAAA, OPT, ANY = 1, 5, 6, 12, 28, 41, 255
NO_ERROR, SERVFAIL, NXDOMAIN, NOT_IMPLEMENTED, REFUSED = 0, 2, 3, 4, 5
_RESPONSE, _OPCODE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = (
    0x8000, 0x7800, 0x0400, 0x0200, 0x0100, 0x0080,
)  # fmt: skip
MAX_TCP_SIZE = 65_535
_PLAIN_SIZE = 512
_MAX_SIZE = 1232  # what passes everywhere without being cut into fragments
_EDNS = b"\x00" + struct.pack("!HHIH", OPT, _MAX_SIZE, 0, 0)
_HEAD = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")


class MalformedMessage(ValueError):
    """Bytes that are no DNS message."""


@dataclass(frozen=True, slots=True)
class Question:
    """The one question of a message. `raw` is it as sent, `size` how long an answer by UDP may be."""

    id: int
    flags: int
    name: str
    kind: int
    raw: bytes
    size: int
    has_edns: bool

    @property
    def is_query(self) -> bool:
        """Whether it asks for names, and not for something that only authoritative servers do."""
        return not self.flags & _OPCODE and self.raw[-2:] == b"\x00\x01"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an answer: where its TTL stands, and what it says."""

    kind: int
    ttl: int
    ttl_at: int
    data: bytes


def parse_question(packet: bytes) -> Question:
    """The question of a message. Raises `MalformedMessage`, also for an answer: answers are not answered."""
    if len(packet) < HEADER:
        raise MalformedMessage("too short")
    number, flags, questions, answers, authorities, additional = _HEAD.unpack_from(packet)
    if flags & _RESPONSE or questions != 1 or answers or authorities:
        raise MalformedMessage("not a question")
    name, at = _read_name(packet, HEADER)
    if at + 4 > len(packet):
        raise MalformedMessage("the question is cut off")
    kind = int.from_bytes(packet[at : at + 2])
    size, has_edns = _edns_of(packet, at + 4) if additional else (_PLAIN_SIZE, False)
    return Question(number, flags, name, kind, packet[HEADER : at + 4], size, has_edns)


def _edns_of(packet: bytes, at: int) -> tuple[int, bool]:
    """How long an answer may be; every client sends this record first, or none."""
    if packet[at : at + 3] != b"\x00\x00\x29" or len(packet) < at + 11:
        return _PLAIN_SIZE, False
    return min(max(int.from_bytes(packet[at + 3 : at + 5]), _PLAIN_SIZE), _MAX_SIZE), True


def _read_name(packet: bytes, at: int) -> tuple[str, int]:
    """The name of a question in lower case, and where it ends. It is the first, so it cannot point back."""
    labels: list[str] = []
    start = at
    while True:
        if at >= len(packet) or at - start > 255:
            raise MalformedMessage("the name does not end")
        length = packet[at]
        if not length:
            return ".".join(labels), at + 1
        if length > 63:
            raise MalformedMessage("the name is compressed")
        label = packet[at + 1 : at + 1 + length].decode("latin-1").lower()
        labels.append(label.replace(".", "\\."))  # such a label is never one of ours
        at += 1 + length


def _skip_name(packet: bytes, at: int) -> int:
    while at < len(packet):
        length = packet[at]
        if not length:
            return at + 1
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    raise MalformedMessage("a name does not end")


def records_of(packet: bytes) -> Iterator[Record]:
    """The records of an answer, all sections. Raises `MalformedMessage`."""
    if len(packet) < HEADER:
        raise MalformedMessage("too short")
    _id, _flags, questions, answers, authorities, additional = _HEAD.unpack_from(packet)
    at = HEADER
    for _ in range(questions):
        at = _skip_name(packet, at) + 4
    for _ in range(answers + authorities + additional):
        at = _skip_name(packet, at)
        if at + _RECORD.size > len(packet):
            raise MalformedMessage("a record is cut off")
        kind, _class, ttl, length = _RECORD.unpack_from(packet, at)
        data = packet[at + _RECORD.size : at + _RECORD.size + length]
        if len(data) < length:
            raise MalformedMessage("a record is cut off")
        yield Record(kind, ttl, at + 4, data)
        at += _RECORD.size + length


def is_answer_to(packet: bytes, number: int, question: bytes) -> bool:
    """Whether a message answers what was asked, under the number it was asked with."""
    if len(packet) < HEADER + len(question):
        return False
    found, flags, questions = struct.unpack_from("!HHH", packet)
    same = packet[HEADER : HEADER + len(question)].lower() == question.lower()
    return found == number and bool(flags & _RESPONSE) and questions == 1 and same


def is_truncated(packet: bytes) -> bool:
    """Whether the whole answer did not fit."""
    return bool(packet[2] & _TRUNCATED >> 8)


def code_of(packet: bytes) -> int:
    """The code of an answer."""
    return packet[3] & 0x0F


def head(question: Question, code: int, *, counts: tuple[int, int], is_ours: bool = True, cut: bool = False) -> bytes:
    """An answer's head without its number, up to where the records begin; `counts` of answers and authorities."""
    flags = _RESPONSE | _RECURSION_AVAILABLE | question.flags & (_OPCODE | _RECURSION_DESIRED) | code
    flags |= (_AUTHORITATIVE if is_ours else 0) | (_TRUNCATED if cut else 0)
    return struct.pack("!HHHHH", flags, 1, *counts, int(question.has_edns)) + question.raw


def tail(question: Question) -> bytes:
    """What comes behind the records."""
    return _EDNS if question.has_edns else b""


def address_record(kind: int, address: bytes, ttl: int) -> bytes:
    """A record of an address, for the name that was asked."""
    return b"\xc0\x0c" + _RECORD.pack(kind, 1, ttl, len(address)) + address
