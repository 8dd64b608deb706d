"""Answers of others are kept for their time, which goes down, and never take more room than there is."""

from __future__ import annotations

import dnslib
import pytest

from corral_agent.names import reply_cache
from corral_agent.names.reply_cache import ReplyCache

KEY = (b"question", False)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def reply(*ttls: int, code: int = 0, cut: bool = False, negative: int | None = None, size: int = 0) -> bytes:
    message = dnslib.DNSRecord.question("example.com").reply()
    message.header.rcode, message.header.tc = code, cut
    for ttl in ttls:
        message.add_answer(dnslib.RR("example.com", rdata=dnslib.A("192.0.2.1"), ttl=ttl))
    if size:
        text = dnslib.TXT([b"x" * 250] * (size // 250))
        message.add_answer(dnslib.RR("example.com", dnslib.QTYPE.TXT, rdata=text, ttl=60))
    if negative is not None:
        message.add_auth(dnslib.RR("com", dnslib.QTYPE.SOA, rdata=dnslib.SOA("a.com", "b.com"), ttl=negative))
    message.add_ar(dnslib.EDNS0(udp_len=4096))
    return bytes(message.pack()[2:])


def ttls_of(found: bytes | None) -> list[int]:
    assert found is not None
    return [each.ttl for each in dnslib.DNSRecord.parse(b"\0\0" + found).rr]


def test_times_go_down_and_end():
    clock = Clock()
    cache = ReplyCache(clock)
    cache.put(KEY, reply(10, 60))
    clock.now += 4.5
    assert ttls_of(cache.get(KEY)) == [6, 56]
    clock.now += 5.4
    assert ttls_of(cache.get(KEY)) == [1, 51]
    clock.now += 0.1
    assert cache.get(KEY) is None
    assert cache.size == 0


@pytest.mark.parametrize(
    ("kept", "seconds"),
    [
        (reply(100_000), 300),
        (reply(0), 0),
        (reply(60, cut=True), 0),
        (reply(code=dnslib.RCODE.SERVFAIL), 0),
        (reply(60, code=dnslib.RCODE.SERVFAIL), 0),
        (reply(code=dnslib.RCODE.NXDOMAIN), 0),
        (reply(code=dnslib.RCODE.NXDOMAIN, negative=900), 5),
        (reply(code=dnslib.RCODE.NXDOMAIN, negative=2), 2),
        (reply(negative=900), 5),
        (reply(60)[:-20], 0),
        (b"", 0),
    ],
)
def test_how_long_an_answer_is_kept(kept: bytes, seconds: int):
    clock = Clock()
    cache = ReplyCache(clock)
    cache.put(KEY, kept)
    clock.now += max(0.0, seconds - 0.01)
    assert (cache.get(KEY) is not None) == bool(seconds)
    clock.now += 0.01
    assert cache.get(KEY) is None


def test_room_is_bounded_and_the_least_used_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reply_cache, "MAX_BYTES", 10_000)
    cache = ReplyCache(Clock())
    for number in range(200):
        cache.put((b"%d" % number, False), reply(60))
        assert cache.get((b"0", False)) is not None
        assert cache.size <= 10_000
    assert cache.get((b"1", False)) is None
    cache.put((b"large", False), reply(60, size=2_000))
    assert cache.get((b"large", False)) is None
    cache.put((b"0", False), reply(60))
    assert cache.size <= 10_000
