"""Documents of names, and what a client makes of the answers, by a codec that is not ours."""

from __future__ import annotations

from typing import Any

import dnslib

from corral_agent.names.answering import Answering
from corral_agent.names.document import parse_names
from corral_agent.names.upstream import HostResolvers, Upstream

WEB, DB = "10.42.4.1", "10.42.4.9"
DOCUMENT: dict[str, Any] = {
    "domain": "rancher.internal",
    "records": {
        "web.lab": ["10.42.4.1", "10.42.4.2", "10.42.4.3"],
        "side.web.lab": ["10.42.4.5"],
        "db.lab": [DB],
        "db.other": ["10.42.4.20"],
        "lab_web_1": [WEB],
        "lab_db_1": [DB],
        "empty.lab": [],
        "mixed.lab": ["192.0.2.7", "2001:db8::7"],
    },
    "externals": {"out.lab": "db.example.com"},
    "views": {
        WEB: {"search": ["lab", "web.lab", ""], "links": {"mydb": "db.other", "away": "gone.lab", "o": "out.lab"}},
        DB: {"search": ["lab", "db.lab", ""], "links": {"web": "db.other"}},
        "10.42.4.20": {"search": ["other", "db.other", ""]},
    },
    "hostNetwork": {"search": ["lab", ""], "links": {"front": "web.lab"}},
}


def answering() -> Answering:
    found = Answering(Upstream(HostResolvers()))
    found.use(parse_names(DOCUMENT))
    return found


def question(name: str, kind: str = "A", size: int | None = None) -> bytes:
    """A question as a client sends it; `size` is how long an answer it takes."""
    message = dnslib.DNSRecord.question(name, kind)
    if size is not None:
        message.add_ar(dnslib.EDNS0(udp_len=size))
    return bytes(message.pack())


def ask(known: Answering, name: str, client: str = WEB, kind: str = "A") -> dnslib.DNSRecord | None:
    """The answer out of the zone; None when somebody else has to answer."""
    answer = known.own_answer(question(name, kind), client)
    return None if answer is None else dnslib.DNSRecord.parse(answer)


def said(answer: dnslib.DNSRecord | None) -> list[str]:
    """What an answer's records say."""
    assert answer is not None
    return [str(each.rdata) for each in answer.rr]


def code(answer: dnslib.DNSRecord | None) -> str:
    assert answer is not None
    return str(dnslib.RCODE[answer.header.rcode])
