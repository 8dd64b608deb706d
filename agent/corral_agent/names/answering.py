"""From a question to its answer: out of the zone, remembered as bytes, or asked of the host's name servers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from corral_agent.names import packet
from corral_agent.names.document import Names
from corral_agent.names.packet import AAAA, ANY, MAX_TCP_SIZE, PTR, A, MalformedMessage, Question
from corral_agent.names.replies import (
    FixedReply,
    Reply,
    addresses_reply,
    elsewhere_reply,
    encode_question,
    error_reply,
    negative_reply,
    pointer_reply,
)
from corral_agent.names.upstream import Unanswered, Upstream
from corral_agent.names.zone import Meaning, MeaningKind, Zone, of_family

MAX_READY = 4_096
MAX_WAITING = 512
_NO_FLAGS = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"  # recursion desired, one question
_VERSIONS, _SIZES = {A: 4, AAAA: 6}, {A: 4, AAAA: 16}


class Answering:
    """Answers the questions of this host's containers."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._zone: Zone | None = None
        # What was asked before, by whom: to take a question apart and build its answer costs ten times as much.
        self._ready: dict[tuple[str, bytes], Reply] = {}
        self.counts: Counter[str] = Counter()
        self._waiting = 0

    @property
    def zone(self) -> Zone | None:
        """What is known; None before the first document."""
        return self._zone

    def use(self, names: Names) -> None:
        """Answer out of these names from now on."""
        self._zone = Zone(names)
        self._ready.clear()

    def quick_answer(self, message: bytes, client: str) -> bytes | None:
        """The answer to a question that was answered before."""
        ready = self._ready.get((client, message[2:]))
        return None if ready is None else message[:2] + ready.next()

    def own_answer(self, message: bytes, client: str, *, by_tcp: bool = False) -> bytes | None:
        """The answer out of the zone; None for what somebody else has to answer. Raises `MalformedMessage`."""
        question = packet.parse_question(message)
        reply = self._own_reply(replace(question, size=MAX_TCP_SIZE) if by_tcp else question, client)
        if reply is None:
            return None
        if by_tcp:
            return message[:2] + reply.next()
        if len(self._ready) >= MAX_READY:
            self._ready.clear()
        if not isinstance(reply, FixedReply):  # made-up names would fill it
            self._ready[client, message[2:]] = reply
        return message[:2] + reply.next()

    def _own_reply(self, question: Question, client: str) -> Reply | None:
        if not question.is_query:
            return error_reply(question, packet.NOT_IMPLEMENTED)
        if self._zone is None:
            return None
        meaning = self._zone.meaning(question.name, client)
        if meaning.kind is MeaningKind.KNOWN:
            return self._known(question, self._zone, meaning.record)
        if meaning.kind is MeaningKind.POINTER and question.kind in {PTR, ANY}:
            return pointer_reply(question, meaning.target)
        if meaning.kind is MeaningKind.POINTER:
            return negative_reply(question, self._zone.domain, packet.NO_ERROR)
        return negative_reply(question, self._zone.domain) if meaning.kind is MeaningKind.UNKNOWN else None

    @staticmethod
    def _known(question: Question, zone: Zone, record: str) -> Reply:
        kind = A if question.kind == ANY else question.kind
        found = of_family(zone.addresses(record), _VERSIONS[kind]) if kind in _VERSIONS else []
        return addresses_reply(question, zone.domain, found, zone.turns(record) if found else iter(()))

    async def answer_elsewhere(self, message: bytes, client: str, *, by_tcp: bool = False) -> bytes | None:
        """The answer of the host's name servers, at least that there is none; None when too much waits already."""
        if self._waiting >= MAX_WAITING:
            return None
        question = packet.parse_question(message)
        if by_tcp:
            question = replace(question, size=MAX_TCP_SIZE)
        self._waiting += 1
        try:
            meaning = self._zone.meaning(question.name, client) if self._zone else Meaning(MeaningKind.NOT_OURS)
            if meaning.kind is MeaningKind.ELSEWHERE:
                return message[:2] + await self._through_alias(question, meaning, client)
            return message[:2] + await self._upstream.ask(message[2:], client, by_tcp=by_tcp)
        except (Unanswered, MalformedMessage):
            self.counts["failed"] += 1
            return message[:2] + error_reply(question, packet.SERVFAIL).next()
        finally:
            self._waiting -= 1

    async def _through_alias(self, question: Question, meaning: Meaning, client: str) -> bytes:
        """A name inside for one outside: the alias, and the addresses that the host's name servers know."""
        kind = A if question.kind == ANY else question.kind
        if kind not in _VERSIONS or self._zone is None:
            return elsewhere_reply(question, meaning.target, A, []).next()
        reply = await self._upstream.ask(_NO_FLAGS + encode_question(meaning.target, kind), client)
        answer = b"\0\0" + reply
        found = [each for each in packet.records_of(answer) if each.kind == kind and len(each.data) == _SIZES[kind]]
        turn, code = next(self._zone.turns(meaning.record)), packet.code_of(answer)
        return elsewhere_reply(question, meaning.target, kind, found, code=code, turn=turn).next()
