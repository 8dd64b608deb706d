"""DNS messages against a codec of others: what it writes is read, what is written it reads, and noise is dropped."""

from __future__ import annotations

import random
import string

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.names import packet
from corral_agent.names.document import parse_names
from corral_agent.names.packet import MalformedMessage
from tests.names.zones import DOCUMENT, WEB, answering, ask, question, said

LABELS = st.lists(st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=63), max_size=4)
KINDS = st.sampled_from(["A", "AAAA", "MX", "TXT", "PTR", "ANY"])


@given(LABELS, KINDS, st.sampled_from([None, 300, 512, 1232, 4096]))
def test_questions_are_read_as_others_write_them(labels: list[str], kind: str, size: int | None):
    message = question(".".join(labels), kind, size)
    found = packet.parse_question(message)
    assert (found.id, found.name) == (int.from_bytes(message[:2]), ".".join(labels).lower())
    assert dnslib.QTYPE[found.kind] == kind
    assert found.has_edns == (size is not None)
    assert found.size == min(max(size or 512, 512), 1232)
    assert found.is_query


@given(LABELS, st.lists(st.integers(0, 2**31 - 1), max_size=5))
def test_records_are_found_where_others_put_them(labels: list[str], ttls: list[int]):
    name = ".".join(labels)
    message = dnslib.DNSRecord.question(name).reply()
    for ttl in ttls:
        message.add_answer(dnslib.RR(name, rdata=dnslib.A("10.0.0.1"), ttl=ttl))
    written = bytes(message.pack())
    found = list(packet.records_of(written))
    address = bytes((10, 0, 0, 1))
    assert [(each.kind, each.ttl, each.data) for each in found] == [(packet.A, ttl, address) for ttl in ttls]
    assert [int.from_bytes(written[each.ttl_at : each.ttl_at + 4]) for each in found] == ttls
    assert packet.is_answer_to(written, message.header.id, packet.parse_question(question(name)).raw)


@given(st.binary(max_size=600))
def test_noise_raises_nothing_but_that_it_is_malformed(noise: bytes):
    for read in (packet.parse_question, lambda message: list(packet.records_of(message))):
        try:
            read(noise)
        except MalformedMessage:
            continue
    answer = None
    try:
        answer = answering().own_answer(noise, WEB)
    except MalformedMessage:
        return
    assert answer is None or answer[2] & 0x80


@given(st.randoms(use_true_random=False), LABELS)
def test_damaged_questions_do_no_harm(chance: random.Random, labels: list[str]):
    message = bytearray(question(".".join([*labels, "lab"])))
    for _ in range(3):
        message[chance.randrange(len(message))] = chance.randrange(256)
    try:
        answer = answering().own_answer(bytes(message), WEB)
    except MalformedMessage:
        return
    if answer is not None:
        assert answer[2] & 0x80
        if message[12:].isascii():  # a name may hold any bytes, but dnslib reads UTF-8 only
            dnslib.DNSRecord.parse(answer)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        bytes(dnslib.DNSRecord.question("web").reply().pack()),  # an answer
        bytes(dnslib.DNSRecord().pack()),  # no question
        question("web")[:-1],
        question("web")[:-6],
        b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",  # a name that points to itself
        b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\1a" * 200 + b"\0\0\1\0\1",
        b"\0\1\1\0\0\2\0\0\0\0\0\0" + b"\1a\0\0\1\0\1" * 2,
    ],
    ids=[
        "empty",
        "zeros",
        "answer",
        "no-question",
        "short",
        "half",
        "loop",
        "long",
        "two",
    ],  # messages have random numbers
)
def test_what_is_no_question_gets_no_answer(message: bytes):
    with pytest.raises(MalformedMessage):
        answering().own_answer(message, WEB)


def test_other_requests_are_not_implemented():
    message = dnslib.DNSRecord.question("web")
    message.header.opcode = dnslib.OPCODE.UPDATE
    answer = answering().own_answer(bytes(message.pack()), WEB)
    assert answer is not None
    assert dnslib.DNSRecord.parse(answer).header.rcode == dnslib.RCODE.NOTIMP
    chaos = bytes(dnslib.DNSRecord(q=dnslib.DNSQuestion("web", dnslib.QTYPE.A, dnslib.CLASS.CH)).pack())
    answer = answering().own_answer(chaos, WEB)
    assert answer is not None
    assert dnslib.DNSRecord.parse(answer).header.rcode == dnslib.RCODE.NOTIMP


def test_many_addresses_are_cut_and_say_so_and_come_whole_by_tcp():
    every = [f"10.42.5.{number}" for number in range(100)]
    known = answering()
    known.use(parse_names({**DOCUMENT, "records": {"big.lab": every}}))
    seen = set()
    for _ in range(100):
        answer = ask(known, "big")
        assert answer is not None
        assert len(answer.pack()) <= 512
        assert answer.header.tc
        assert 25 < len(answer.rr) < 100
        seen |= set(said(answer))
    assert seen == set(every)
    message = question("big")
    whole = known.own_answer(message, WEB, by_tcp=True)
    assert whole is not None
    parsed = dnslib.DNSRecord.parse(whole)
    assert not parsed.header.tc
    assert sorted(said(parsed)) == sorted(every)


def test_clients_that_take_more_get_more():
    known = answering()
    known.use(parse_names({**DOCUMENT, "records": {"big.lab": [f"10.42.5.{number}" for number in range(60)]}}))
    answer = known.own_answer(question("big", size=4096), WEB)
    assert answer is not None
    parsed = dnslib.DNSRecord.parse(answer)
    assert (parsed.header.tc, len(parsed.rr), parsed.ar[0].edns_len) == (0, 60, 1232)
